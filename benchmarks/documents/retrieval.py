"""Measures whether the passages that are found hold the answer, and whether other questions are refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from benchmarks.commands.report import wilson
from benchmarks.documents.data import Question, laid_name, spaced
from edge_llm.documents.index import Index
from edge_llm.documents.passage import Passage

PASSAGES = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave for a question."""

    question: Question
    rank: int | None
    """Place of the first passage of the right paper that holds the answer, from 1."""
    passages: tuple[str, ...]
    """Where the passages stand."""
    quoted: bool
    """Whether a line that would be quoted holds the answer."""
    is_certain: bool
    """Whether it fits; else it is said that it is not certain."""
    took_ms: float


def ask_all(questions: Sequence[Question], index: Index) -> list[Found]:
    """Search for each question; one search before does not count."""
    index.search(questions[0].question, PASSAGES)
    return [_ask(question, index) for question in questions]


def _ask(question: Question, index: Index) -> Found:
    begin = perf_counter()
    passages = index.nearest(question.question, PASSAGES)
    took_ms = 1000 * (perf_counter() - begin)
    right = (place for place, passage in enumerate(passages, 1) if holds(passage, question))
    where = tuple(f"{passage.document}: {passage.heading}" for passage in passages)
    quotation = index.quotation(question.question)
    quoted = any(holds(line, question) for line in quotation.passages)
    return Found(question, next(right, None), where, quoted, quotation.is_certain, took_ms)


def holds(passage: Passage, question: Question) -> bool:
    """Tell whether the passage is of the right paper and holds the answer."""
    if question.document is None or question.answer is None:
        return False
    return passage.document == laid_name(question.document) and spaced(question.answer) in spaced(
        passage.text
    )


def table(found: Sequence[Found]) -> str:
    """Return the figures by language as a Markdown table, and all of them in the last line."""
    languages = list(dict.fromkeys(each.question.language for each in found))
    head = "by a paper | R@1 | R@3 (95 %) | quoted | of these certain | by none | refused, something near"
    rows = [f"| | {head} |"]
    rows += ["|---|---|---|---|---|---|---|---|"]
    rows += [_row(name, [each for each in found if each.question.language == name]) for name in languages]
    return "\n".join([*rows, _row("all", found)])


def _row(name: str, found: Sequence[Found]) -> str:
    wanted = [each for each in found if each.question.answer is not None]
    others = [each for each in found if each.question.answer is None]
    first = sum(each.rank == 1 for each in wanted)
    third = sum(each.rank is not None for each in wanted)
    low, high = wilson(third, len(wanted))
    refused = sum(not each.is_certain for each in others)
    near = sum(bool(each.passages) and not each.is_certain for each in others)
    quoted = sum(each.quoted for each in wanted)
    certain = sum(each.quoted and each.is_certain for each in wanted)
    r1, r3, lines = (f"{part / max(1, len(wanted)):.3f}" for part in (first, third, quoted))
    return (
        f"| {name} | {len(wanted)} | {r1} | {r3} ({low / 100:.3f} to {high / 100:.3f})"
        f" | {lines} | {certain / max(1, quoted):.3f} | {len(others)} | {refused}, {near} |"
    )
