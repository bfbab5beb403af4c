"""Other forms of a German word: riecht and Geruch, ausgetauscht and Austausch, öffnet and geöffnet."""

import re
from collections.abc import Iterator
from functools import lru_cache

from edge_llm.documents.search.language.irregular import families
from edge_llm.documents.search.language.words import stem

_MAY_STAND_ALONE = """
    ab an auf aus auseinander bei bereit da dar durch ein empor entgegen fern fertig fest fort frei heim her
    herab heran herauf heraus herein herum herunter hervor hin hinauf hinaus hinein hinunter hinzu kaputt
    klein leer los mit nach nieder statt teil um unter uber vor voran voraus vorbei vorher weg weiter wieder
    zu zurecht zuruck zusammen
    """
PARTICLES = _MAY_STAND_ALONE.split()
"""Parts of verbs that may stand alone, at the end of the sentence."""
_PREFIXES = ("be", "ent", "er", "ge", "miss", "ver", "wider", "zer")
_SEPARATED = re.compile(
    rf"\b({'|'.join(PARTICLES)})(?=\s*(?:[?!.,;:]|$)|\s+(?:und|oder|wenn|weil|damit|bevor|nachdem)\b)"
)
_MOST_SEPARATED = 4
_FEMININE = re.compile("(.{3,})inn?")
_L = re.compile("(?<=[^aeioul])l$|el$")
"""The ends of Sammlung and sammeln."""
_LEAST = 3
"""Letters of a verb's stem."""


def separated(text: str) -> list[str]:
    """The parts of verbs that stand apart in a normalised text: ``an`` in "Wen rufe ich an?"."""
    return list(dict.fromkeys(_SEPARATED.findall(text)))[:_MOST_SEPARATED]


@lru_cache(maxsize=2000)
def forms(term: str) -> frozenset[str]:
    """Terms that may be other forms of the word; many of them do not exist."""
    found: set[str] = set()
    for prefix, rest in _prefixed(term):
        to = ("", "zu") if prefix else ("",)
        found.update(f"{prefix}{zu}{root}" for root in families("de").get(rest, ()) for zu in to)
        for root in _roots(rest):
            # As they are after the stemming: geöffnet is geoffn, gespeichert stays.
            found.update(f"{prefix}{before}{root}" for before in (*to, "ge"))
            found.update(f"{prefix}{ge}{root}{ending}" for ge in ("", "ge") for ending in ("t", "ert"))
    if feminine := _FEMININE.fullmatch(term):
        found.add(stem(feminine[1]))
    return frozenset(found) - {term}


def without_particle(term: str) -> set[str]:
    """Forms of the verb without the part that may stand apart: tauschen for austauschen."""
    rests = {rest for prefix, rest in _prefixed(term) if prefix in PARTICLES and len(rest) > _LEAST}
    return {form for rest in rests for form in (rest, *forms(rest))}


def _prefixed(term: str) -> Iterator[tuple[str, str]]:
    yield "", term
    for prefix in (*PARTICLES, *_PREFIXES):
        rest = term.removeprefix(prefix)
        if rest != term and len(rest) >= _LEAST:
            yield prefix, rest
            if rest.startswith("zu"):
                yield prefix, rest[2:]


def _roots(rest: str) -> Iterator[str]:
    """What may be the stem of a weak verb, of which this is a form."""
    for bare in {rest, rest.removeprefix("ge")}:
        for root in {bare, bare.removesuffix("t")}:
            if len(root) >= _LEAST:
                yield root
                yield _L.sub(lambda end: "l" if end[0] == "el" else "el", root).removesuffix("er")
