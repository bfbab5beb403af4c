"""Words of a household that may stand for each other."""

from functools import cache
from importlib.resources import files

from edge_llm.documents.search.language.words import normalise, stem


def synonyms(term: str) -> tuple[str, ...]:
    """The terms that may stand for ``term``."""
    return _all().get(term, ())


@cache
def german_verbs() -> frozenset[str]:
    """The terms of the list that are German verbs: they have many forms."""
    german = _text().partition("[de]")[2].partition("\n[")[0]
    verbs = (word for word in german.split() if word.islower() and word.endswith("n"))
    return frozenset(stem(normalise(word)) for word in verbs)


@cache
def _all() -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for line in _text().splitlines():
        if line and line[0] not in "#[":
            first, *others = (stem(word) for word in normalise(line).split())
            found.setdefault(first, {}).update(dict.fromkeys(others))
            for other in others:
                found.setdefault(other, {})[first] = None
    return {first: tuple(others) for first, others in found.items()}


def _text() -> str:
    return files("edge_llm.documents.search.language").joinpath("synonyms.txt").read_text(encoding="utf-8")
