"""Words of a household that may stand for each other."""

from functools import cache
from importlib.resources import files

from edge_llm.documents.search.language.words import normalise, stem


def synonyms(term: str) -> tuple[str, ...]:
    """The terms that may stand for ``term``."""
    return _all().get(term, ())


@cache
def _all() -> dict[str, tuple[str, ...]]:
    text = files("edge_llm.documents.search.language").joinpath("synonyms.txt").read_text(encoding="utf-8")
    found: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            first, *others = (stem(word) for word in normalise(line).split())
            found.setdefault(first, {}).update(dict.fromkeys(others))
            for other in others:
                found.setdefault(other, {})[first] = None
    return {first: tuple(others) for first, others in found.items()}
