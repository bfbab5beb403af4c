"""Checks that no sentence of DATA stands in the package, neither in a table nor in a string of code.

The repository has hashes of the sentences, not the sentences: six bytes of SHA-256 of each, normalised.
The unit tests check the package against them; ``python -m benchmarks.commands DATA --leak`` checks it
against DATA itself.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.commands.assist import read_tasks
from benchmarks.commands.data import LANGUAGES, read_sentences
from benchmarks.commands.resolve import fold
from benchmarks.commands.sentences import house
from edge_llm.errors import EdgeLlmError

ROOT = Path(__file__).parents[2]
HASHES = ROOT / "tests" / "unit" / "commands" / "sentence_hashes.txt"
PACKAGE = ROOT / "edge_llm" / "house"
_LENGTH = 12
"""Characters of a hash: among ten thousand strings a chance match is one in millions."""


def normalised(sentence: str) -> str:
    """Return a sentence without case, accents, punctuation and doubled white space."""
    return " ".join(re.sub(r"[^\w]+", " ", fold(sentence)).split())


def hashed(sentence: str) -> str:
    """Return the truncated hash of a sentence."""
    return sha256(normalised(sentence).encode()).hexdigest()[:_LENGTH]


def read_hashes() -> frozenset[str]:
    """Return the hashes that the repository has."""
    lines = HASHES.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def sentences_of(data: Path) -> set[str]:
    """Return all sentences of DATA, of both halves if they are there, and of assist.

    Raises:
        EdgeLlmError: there are none.
    """
    found = {
        line.text
        for half in ("dev", "test")
        for language in LANGUAGES
        if (path := data / f"{half}-{language}.jsonl").exists()
        for line in read_sentences(path)
    }
    found |= {task.text for name in ("assist-mini", "assist") for task in read_tasks(data / name)}
    if not found:
        raise EdgeLlmError(f"{data} has no sentences: see its README")
    return found


def strings_of(package: Path) -> Iterator[tuple[str, str]]:
    """Yield every string of a package, with its file's name: of its TOML tables and of its Python code."""
    for path in sorted(package.rglob("*.toml")):
        for text in _texts(tomllib.loads(path.read_text(encoding="utf-8"))):
            yield path.name, text
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value


def _texts(value: Any) -> Iterator[str]:
    """Yield the keys and strings of a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def own_sentences() -> Iterator[tuple[str, str]]:
    """Yield the sentences of the benchmark itself, which must be its own, too."""
    for path in (house.COMPOUND, house.UNCLEAR):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield path.name, json.loads(line)["text"]


def _is_sentence(text: str) -> bool:
    """Tell whether a text is more than two words, which an idiom of the language may have ("never mind")."""
    words = normalised(text)  # Chinese has no spaces
    return words.count(" ") > 1 or (
        len(words) > 3 and any("\u4e00" <= character <= "\u9fff" for character in words)
    )


def leaks(strings: Iterable[tuple[str, str]], hashes: frozenset[str]) -> list[str]:
    """Return where sentences stand: for each string the file, and the hash that it is found by."""
    found = set()
    for name, text in strings:
        for line in (text, *text.splitlines()):
            if _is_sentence(line) and (its := hashed(line)) in hashes:
                found.add(f"{name}: {its}")
    return sorted(found)


def check(data: Path, *, write: bool) -> int:
    """Check the package against DATA, and print where its sentences stand; returns the exit code."""
    hashes = frozenset(map(hashed, sentences_of(data)))
    if write:
        head = "# Hashes of sentences that must not stand in the package, by benchmarks/commands/leak.py"
        HASHES.write_text("\n".join([head, *sorted(hashes)]) + "\n", encoding="utf-8")
    found = leaks([*strings_of(PACKAGE), *own_sentences()], hashes)
    print("\n".join([*found, f"{len(hashes)} sentences, {len(found)} of them in the package"]))
    return 1 if found else 0
