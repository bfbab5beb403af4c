"""Measures a folder of many words: time to index it, time of a search, memory of a process that searches."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter

from benchmarks.commands.report import percentiles
from benchmarks.documents.data import PAPERS, Question, plain_text

_SEED = 22
_WORDS_A_FILE = 2500
_NEW_WORDS = 0.02
_SENTENCE_WORDS = range(5, 60)
_SEARCH = """\
import json, sys, time
from pathlib import Path
from edge_llm.documents.index import Index
index, took = Index(Path(sys.argv[1])), []
for question in json.loads(sys.stdin.read()):
    begin = time.perf_counter()
    index.search(question)
    took.append(1000 * (time.perf_counter() - begin))
rollup = Path("/proc/self/smaps_rollup").read_text()
pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
print(json.dumps({"took_ms": took, "pss_mb": pss / 1000}))
"""
_INDEX = """\
import sys
from pathlib import Path
from edge_llm.documents.folder import Folder
from edge_llm.documents.index import Index
index = Index(Path(sys.argv[2]))
Folder(Path(sys.argv[1]), index).scan()
index.close()
"""


def make_words(folder: Path, words: int) -> int:
    """Write Markdown files of at least ``words`` words below ``folder``, always the same; returns how many.

    Sentences are those of the English and German papers in another order. One word of fifty gets a number at
    its end: papers go on to bring new words.
    """
    random = Random(_SEED)  # noqa: S311 - the same words each time, no secret
    papers = sorted(PAPERS.glob("[ed]*/*.*"))
    texts = [re.sub(r"[#*|]+ ?", "", plain_text(paper.relative_to(PAPERS).as_posix())) for paper in papers]
    sentences = [
        sentence
        for text in texts
        for sentence in text.split(". ")
        if len(sentence.split()) in _SENTENCE_WORDS
    ]
    written = number = 0
    while written < words:
        lines, here = [f"# Paper {number}"], 0
        while here < _WORDS_A_FILE:
            section = [_changed(random.choice(sentences), number, random) for _ in range(12)]
            lines += [f"## Part {len(lines)} {random.choice(sentences)[:40]}", ". ".join(section) + "."]
            here += sum(len(line.split()) for line in lines[-2:])
        written += here
        folder.joinpath(f"{number:05}.md").write_text("\n\n".join(lines), encoding="utf-8")
        number += 1
    return written


def measure(words: int, questions: list[Question]) -> Iterator[str]:
    """Yield the lines of the report."""
    with tempfile.TemporaryDirectory() as name:
        papers, file = Path(name, "papers"), Path(name, "index.sqlite")
        papers.mkdir()
        written = make_words(papers, words)
        yield f"{written} words in {len(list(papers.iterdir()))} files"
        begin = perf_counter()
        subprocess.run(
            [sys.executable, "-c", _INDEX, str(papers), str(file)], check=True, stderr=subprocess.DEVNULL
        )
        yield f"indexed in {perf_counter() - begin:.1f} s, {file.stat().st_size / 1e6:.0f} MB"
        yield _searched(file, [each.question for each in questions])


def _searched(file: Path, questions: list[str]) -> str:
    command = [sys.executable, "-c", _SEARCH, str(file)]
    done = subprocess.run(command, input=json.dumps(questions).encode(), check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)
    took = percentiles(found["took_ms"]) or {}
    times = ", ".join(f"{name} {value} ms" for name, value in took.items())
    return f"a search: {times}; the process that searches has {found['pss_mb']:.0f} MB (PSS)"


def _changed(sentence: str, number: int, random: Random) -> str:
    return " ".join(
        f"{word}{number % 97}" if word.isalpha() and random.random() < _NEW_WORDS else word
        for word in sentence.split()
    )
