"""Reads one file in a process of its own, which may be ended.

``python -m edge_llm.documents.reading.child PATH``: the file is the standard input. It writes the title, then
the passages, a line of JSON each, and last how it went. A file that takes too much time or memory ends this
process alone.
"""

import json
import os
import resource
import sys
from dataclasses import astuple

from edge_llm.documents.reading.blocks import Document, UnreadableError
from edge_llm.documents.reading.passages import clean, cut_into_passages
from edge_llm.documents.reading.texts import read_document

MAX_MEMORY_BYTES = 512 * 2**20
MAX_CPU_S = 60


def main(path: str) -> None:
    """Read the standard input, whose path below the folder is ``path``."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    try:
        document = _read(path)
        _write(clean(document.title))
        for section in cut_into_passages(document):
            _write(astuple(section))
        _write({"problem": ""})
    except UnreadableError as error:
        _write({"problem": str(error)})
    except MemoryError:
        _write({"problem": f"it needs more than {MAX_MEMORY_BYTES // 2**20} MiB of memory"})
    sys.stdout.flush()


def _read(path: str) -> Document:
    with os.fdopen(sys.stdin.fileno(), "rb", closefd=False) as opened:
        if path.lower().endswith(".pdf"):
            from edge_llm.documents.reading.pdf import read_pdf  # noqa: PLC0415 - large, and for PDFs alone

            return read_pdf(opened, path)
        return read_document(opened.read(), path)


def _write(value: object) -> None:
    # As ASCII: no locale can spoil it, nor half a pair of surrogates that a damaged file has.
    sys.stdout.write(json.dumps(value) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
