"""Turns a question into groups of terms, one a content word, with what they weigh in this index."""

import re
from dataclasses import dataclass, replace

from edge_llm.documents.search.groups import Group, group_of_code, groups_of_word
from edge_llm.documents.search.language.answers import asks_whether_there_is, expected
from edge_llm.documents.search.language.german import separated
from edge_llm.documents.search.language.stop_words import languages_of, stop_words, weak_words
from edge_llm.documents.search.language.unspaced import UNSPACED_LANGUAGE, content_runs, numbers_that_name
from edge_llm.documents.search.language.words import codes, is_unspaced, normalise, runs, stem
from edge_llm.documents.search.unspaced import groups_of_run
from edge_llm.documents.search.vocabulary import Vocabulary

MAX_CHARACTERS = 2000
"""Of a longer question the end counts, where people ask."""
_MAX_WORDS, _MAX_GROUPS = 48, 96
"""Of a question: words with spaces between, and groups altogether. A Chinese word is several."""
_GERMAN = {"de", "nl"}
"""Languages of which verbs have the forms of German ones."""
_WEAK = 0.2
"""Weight of a common verb and the like."""


def language_of(text: str) -> str:
    """The language of a text; empty where it is not certain."""
    found = runs(normalise(text))
    return _language(found, languages_of(found))


def _language(found: list[str], languages: list[str]) -> str:
    if sum(map(is_unspaced, found)) * 2 > len(found):
        return UNSPACED_LANGUAGE
    return languages[0] if len(languages) == 1 else ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for."""

    groups: list[Group]
    neighbours: list[tuple[int, int]]
    """Places in ``groups`` of words that stand side by side in the question."""
    language: str
    """Empty where it is not certain."""
    answer: re.Pattern[str] | None
    """What a passage that answers it has in its text; None where that can be anything."""
    counted: frozenset[str] | None
    """The terms that stand for the things of which the number is asked; None where something else is."""
    is_whether_there_is: bool
    """Whether it asks if there is something."""
    is_keyword: bool
    """Whether it has a single word of content."""


def read_question(text: str, vocabulary: Vocabulary) -> Question:
    """Read a question; without a group, it asks for nothing."""
    text = normalise(text[-MAX_CHARACTERS:])
    found = runs(text)
    spaced = [run for run in found if not is_unspaced(run)]
    languages = languages_of(spaced)
    particles = separated(text) if not languages or _GERMAN.intersection(languages) else None
    groups: dict[str, Group] = {}
    names = numbers_that_name(text) if len(spaced) < len(found) else []
    neighbours = _add_words(spaced, languages, particles, names, groups, vocabulary)
    for run in found:
        if is_unspaced(run):
            for part in content_runs(run):
                for term, group in groups_of_run(part[: _MAX_GROUPS - len(groups)], vocabulary).items():
                    groups.setdefault(term, group)
    _keep_apart(groups)
    for code in codes(text):
        if vocabulary.count(code):
            _replace_by_code(code, groups, vocabulary)
            neighbours = []
    kept = [pair for pair in neighbours if max(pair) < _MAX_GROUPS]
    answer = expected(text)
    stops, weak = stop_words(languages), weak_words(languages)
    things = [each for each in runs(answer.counted) if each not in stops | weak] if answer else []
    return Question(
        list(groups.values())[:_MAX_GROUPS],
        kept,
        _language(found, languages),
        answer.pattern if answer else None,
        _standing_for(things, particles, vocabulary),
        asks_whether_there_is(text),
        sum(len(term) > 1 for term in groups) == 1,
    )


def _standing_for(
    words: list[str], particles: list[str] | None, vocabulary: Vocabulary
) -> frozenset[str] | None:
    """The terms that stand for one of the words; None where none says anything."""
    groups: list[Group] = []
    for word in words:
        if is_unspaced(word):
            for part in content_runs(word):
                found = groups_of_run(part, vocabulary)
                groups += (group for name, group in found.items() if len(name) == min(2, len(part)))
        else:
            groups += groups_of_word(stem(word), vocabulary, particles and []).values()
    return frozenset(term for group in groups for term in group.variants) if groups else None


def _add_words(
    words: list[str],
    languages: list[str],
    particles: list[str] | None,
    names: list[str],
    groups: dict[str, Group],
    vocabulary: Vocabulary,
) -> list[tuple[int, int]]:
    """Add the content words; returns the places of those that stand side by side."""
    stops, weak = stop_words(languages), weak_words(languages)
    neighbours: list[tuple[int, int]] = []
    before = None
    for word in words:
        if word in stops or len(groups) >= _MAX_WORDS:
            before = None
            continue
        # Error 15 is another than error 16; three bags are bags.
        is_weak = word in weak or (word.isdecimal() and before is None and word not in names)
        for term, group in groups_of_word(stem(word), vocabulary, particles).items():
            groups.setdefault(term, replace(group, weight=_WEAK * group.weight) if is_weak else group)
            place = list(groups).index(term)
            if before is not None and before != place and word not in weak:
                neighbours.append((before, place))
            before = None if word in weak else place
    return neighbours


def _keep_apart(groups: dict[str, Group]) -> None:
    """Let no term answer for two words of the question."""
    for term, group in groups.items():
        for other in group.variants.keys() & groups.keys() - {term}:
            del group.variants[other]


def _replace_by_code(code: str, groups: dict[str, Group], vocabulary: Vocabulary) -> None:
    for part in re.findall("[a-z]+|[0-9].*", code):
        groups.pop(part, None)
    groups[code] = group_of_code(code, vocabulary)
