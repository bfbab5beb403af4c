"""Tells what an answer to a question says: yes or no, one of several names, or a value and nothing else."""

from collections.abc import Iterable, Sequence

from edge_llm.house.language.text import same_word, tokens_of
from edge_llm.house.language.words import Words
from edge_llm.house.reading.clauses import Sentence
from edge_llm.house.targets import Target


class Answers:
    """Reads answers in one language; for any thread."""

    def __init__(self, words: Words) -> None:
        """Read them in ``words``."""
        self._words = words
        self._filler = frozenset(token for word in words.filler for token in tokens_of(word))

    def meant(self, sentence: str, candidates: Sequence[Target]) -> tuple[Target, ...]:
        """The one of several candidates that an answer names, or all of them; empty if neither.

        A single one is meant by a yes, or by its name and nothing else.
        """
        said = tokens_of(sentence)
        names = [set(tokens_of(f"{target.name} {_area_name(target)}")) for target in candidates]
        if len(candidates) == 1:
            rest = {s for s in said if s != "," and s not in self._filler}
            named = bool(rest) and all(any(same_word(s, word) for word in names[0]) for s in rest)
            return tuple(candidates) if named or self.is_yes(sentence) else ()
        hits = [sum(any(same_word(s, word) for s in said) for word in words) for words in names]
        best = max(hits, default=0)
        if best and hits.count(best) == 1:
            return (candidates[hits.index(best)],)
        everybody = {token for word in self._words.all for token in tokens_of(word)}
        return () if best or everybody.isdisjoint(said) else tuple(candidates)

    def is_yes(self, sentence: str) -> bool | None:
        """Return True if a sentence only says yes, False if it only says no, else None."""
        said = f" {' '.join(tokens_of(sentence))} "
        answer: bool | None = None
        for meaning, phrases in ((True, self._words.yes), (False, self._words.no)):
            for phrase in sorted(map(tokens_of, phrases), key=len, reverse=True):
                if phrase and (words := f" {' '.join(phrase)} ") in said:
                    said, answer = said.replace(words, " , "), meaning
        rest = set(said.split()) - self._filler - {","}
        return None if rest else answer

    def is_listed(self, sentence: str, action: str, chosen: Iterable[str]) -> bool:
        """Tell whether an answer only names modes or options of ``chosen``, by their names or other words."""
        modes = (word for each in chosen for word in self._words.modes.get(each.casefold(), ()))
        phrases = (*chosen, *modes, *self._words.actions[action].cues, ",")
        known = {token for phrase in phrases for token in tokens_of(phrase)}
        return self._filler | known >= {*tokens_of(sentence)}


def is_value(read: Sentence) -> bool:
    """Tell whether an answer is only a value, such as 40 percent, or a change, such as louder."""
    clause = read.clauses[0]
    about = clause.has_subject or clause.has_place or clause.unknown or clause.is_elsewhere
    single = len(read.clauses) == 1 and not read.excepted and not read.is_question
    return single and not about and "not_" not in clause.flags


def _area_name(target: Target) -> str:
    return target.area.name if target.area else ""
