"""`edge-llm documents`: answers from the household's papers, and shows what is found in them."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_llm.config import Settings, load_settings
from edge_llm.errors import EdgeLlmError

if TYPE_CHECKING:
    from edge_llm.documents.index import Index

_REDRAW_S = 0.1
_MOST_FOUND = 5
_MOST_SHOWN = 400
"""Characters of a passage that are shown; --json has all."""
_EXAMPLES = """\
examples:
  edge-llm documents --folder ~/papers                     answer from the papers, until Ctrl-C
  edge-llm ask --documents "What does error E15 mean?"     ask it, in another terminal
  edge-llm documents --folder ~/papers --once              read the folder, say what was read, and end
  edge-llm documents search "error E15" --folder ~/papers  the best passages, and where they are

It reads .md, .txt, .html and .pdf files, also in folders below, and follows what changes. It asks the node of
the configuration, or --node, and answers under a node id of its own: documents.id, by default documents.
docs/documents.md: what to put into the folder, who can ask, and what a document cannot do.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``documents``, and examples to its help."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "action",
        nargs="?",
        choices=("serve", "search"),
        default="serve",
        help="search: print the passages for a question (default: serve)",
    )
    parser.add_argument("question", nargs="?", metavar="QUESTION", help="with search: what to look for")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="default: documents.folder")
    parser.add_argument("--node", metavar="ID", help="the node that answers (default: mqtt.pool, or node.id)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--once", action="store_true", help="bring the index up to date, and end")
    instead.add_argument(
        "--retire",
        action="store_true",
        help="remove its retained messages and session from the broker, and end",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM, read the folder once, search, or retire the service."""
    if (options.action == "search") != (options.question is not None):
        raise EdgeLlmError('edge-llm documents search "QUESTION": give the question, in quotation marks')
    settings = _settings(options)
    if options.action == "search":
        return _search(settings, options)
    if options.once:
        return _read_once(settings, options)
    from edge_llm.client.retire import retire
    from edge_llm.documents import service
    from edge_llm.event_log import configure_logging

    configure_logging()
    if options.retire:
        own = settings.node.model_copy(update={"id": settings.documents.id})
        retire(settings.model_copy(update={"node": own}))
    else:
        service.serve(settings, options.node)
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    settings = load_settings(options.config)
    if options.folder is None:
        return settings
    own = settings.documents.model_copy(update={"folder": options.folder})
    return settings.model_copy(update={"documents": own})


def _read_once(settings: Settings, options: argparse.Namespace) -> int:
    index = _read(settings)
    documents, passages, unread = index.count()
    index.close()
    report = {"documents": documents, "passages": passages, "unread": unread}
    if options.json:
        print(json.dumps(report))
    else:
        left = f"; {unread} files hold no text that can be read" if unread else ""
        print(f"{documents} documents, {passages} passages{left}")
    return 0


def _search(settings: Settings, options: argparse.Namespace) -> int:
    """Print what is found, the best first, in the folder as it is now."""
    from edge_llm.contract.node import Source

    index = _read(settings)
    found = index.nearest(options.question, _MOST_FOUND)
    is_certain = bool(index.search(options.question, 1))
    index.close()
    sources = [
        (Source(document=each.document, title=each.title, heading=each.heading, page=each.page), each.text)
        for each in found
    ]
    if options.json:
        rows = [source.model_dump(exclude_none=True) | {"text": text} for source, text in sources]
        print(json.dumps({"fits": is_certain, "passages": rows}, ensure_ascii=False))
    elif not is_certain:
        print("nothing in the papers fits" + (" for certain; what comes nearest:" if sources else ""))
    for number, (source, text) in enumerate([] if options.json else sources, start=1):
        short = " ".join(text.split())
        print(f"{number}. {source.line()}\n   {short[:_MOST_SHOWN]}{'…' * (len(short) > _MOST_SHOWN)}")
    return 0


def _read(settings: Settings) -> "Index":
    """Bring the index up to date, and return it; what is read is shown on a terminal meanwhile."""
    from edge_llm.documents.folder import Folder
    from edge_llm.documents.index import Index
    from edge_llm.documents.service import folder_of, index_file, meaning_of

    folder, index = folder_of(settings), Index(index_file(settings), meaning_of(settings))
    on_terminal = sys.stderr.isatty()
    shown = 0.0

    def progress(number: int, total: int) -> None:
        nonlocal shown
        if on_terminal and (time.monotonic() >= shown + _REDRAW_S or number == total):
            shown = time.monotonic()
            print(f"\r\033[Kreading {number} of {total} files", end="", file=sys.stderr, flush=True)

    Folder(folder, index, progress).scan()
    if shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return index
