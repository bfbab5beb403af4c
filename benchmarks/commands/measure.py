"""What is asked, and the round through it: cases of DATA and of our own sentences, each with its judge."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.commands.assist import read_tasks
from benchmarks.commands.contender import Answer, Contender
from benchmarks.commands.crowd import crowded
from benchmarks.commands.data import CORE_INTENTS, half_of, read_home, read_sentences
from benchmarks.commands.judge import RIGHT, Judgement, judge_command, judge_task, judge_unclear
from benchmarks.commands.leak import normalised
from benchmarks.commands.resolve import Home, exists, resolve
from benchmarks.commands.sentences import house
from edge_llm.convert.progress import Advance
from edge_llm.errors import EdgeLlmError

INTENTS, MINI, ASSIST, COMPOUND, UNCLEAR = "intents", "assist-mini", "assist", "compound", "unclear"
PARTS = (INTENTS, MINI, ASSIST, COMPOUND, UNCLEAR)


@dataclass(frozen=True)
class Case:
    """A sentence to ask, and the judge of its answer."""

    part: str
    language: str
    id: str
    text: str
    home: Home
    judge: Callable[[Answer], Judgement]
    context_area: str | None = None
    group: str = ""
    """Of an unclear sentence: what is expected."""


@dataclass(frozen=True)
class Result:
    """A case with its answer; ``failed`` says why there is none."""

    case: Case
    answer: Answer | None
    judgement: Judgement
    seen: bool = False
    """Whether the contender's prompt shows this sentence as an example, but for case and punctuation."""
    failed: str = ""
    devices_exist: bool = True


@dataclass(frozen=True)
class Cases:
    """What is asked, and the lines that are left out: their number by language and reason."""

    cases: Sequence[Case]
    left_out: Counter[tuple[str, str]]


def read_cases(
    data: Path,
    half: str | None,
    languages: Sequence[str],
    parts: Sequence[str],
    limit: int | None,
    crowd: int = 0,
) -> Cases:
    """Read all cases of some parts and languages; with a ``limit`` a sample of each, always the same one.

    The houses of the intents tests get ``crowd`` more devices.

    Raises:
        EdgeLlmError: DATA has none of them, or a file has another form.
    """
    left_out: Counter[tuple[str, str]] = Counter()
    found: list[Case] = []
    for part in parts:
        for language in languages:
            found += _sample(list(_cases(data, half, part, language, left_out, crowd)), limit)
    if not found:
        raise EdgeLlmError(f"{data} has no sentences of these parts and languages: see its README")
    return Cases(found, left_out)


def _cases(
    data: Path,
    half: str | None,
    part: str,
    language: str,
    left_out: Counter[tuple[str, str]],
    crowd: int,
) -> Iterator[Case]:
    if part == INTENTS and (path := half_of(data, half, language)):
        home = read_home(data / f"house-{language}.json")
        yield from _intents(path, crowded(home, crowd) if crowd else home, left_out)
    elif part in (MINI, ASSIST) and language == "en":
        for task in read_tasks(data / part):
            judge = partial(judge_task, task)
            yield Case(part, language, task.id, task.text, task.home, judge, task.context_area)
    elif part in (COMPOUND, UNCLEAR) and language in house.LANGUAGES:
        yield from _ours(part, language)


def _intents(path: Path, home: Home, left_out: Counter[tuple[str, str]]) -> Iterator[Case]:
    for line in read_sentences(path):
        if not all(intent in CORE_INTENTS for intent, _ in line.calls):
            left_out[line.language, "no core intent"] += 1
        elif not all(resolve(home, line.calls, line.context_area).values()):
            left_out[line.language, "nothing in the house is meant"] += 1
        else:
            judge = partial(judge_command, home, line)
            yield Case(INTENTS, line.language, line.id, line.text, home, judge, line.context_area)


def _ours(part: str, language: str) -> Iterator[Case]:
    home = Home(house.read_house(language))
    if part == COMPOUND:
        for line in read_sentences(house.COMPOUND):
            if line.language == language:
                judge = partial(judge_command, home, line)
                yield Case(part, language, line.id, line.text, home, judge, line.context_area)
        return
    for said in house.read_unclear():
        if said.language == language:
            doubt = partial(judge_unclear, said.expect)
            yield Case(part, language, said.id, said.text, home, doubt, said.context_area, said.expect)


def _sample(cases: list[Case], limit: int | None) -> list[Case]:
    if limit is None or limit >= len(cases):
        return cases
    chosen = random.Random(0).sample(range(len(cases)), limit)  # noqa: S311 - a choice of sentences, no secret
    return [cases[number] for number in sorted(chosen)]


def ask_all(contender: Contender, cases: Iterable[Case], advance: Advance) -> list[Result]:
    """Ask a contender everything; it is told the house whenever that is another one."""
    results: list[Result] = []
    home: Home | None = None
    for case in cases:
        if home is None or case.home.house != home.house:
            contender.prepare(case.home.house)
        home = case.home
        results.append(_ask(contender, case))
        advance(contender.name)
    return results


def _ask(contender: Contender, case: Case) -> Result:
    shown = map(normalised, getattr(contender, "examples", ()))
    seen = normalised(case.text) in shown
    try:
        answer = contender.act(case.text, case.context_area)
    except EdgeLlmError as error:
        return Result(case, None, Judgement("none", "none"), seen, failed=str(error), devices_exist=False)
    there = all(exists(case.home, call, case.context_area) for call in answer.calls)
    return Result(case, answer, case.judge(answer), seen, devices_exist=there)


def write_misses(path: Path, name: str, results: Iterable[Result]) -> None:
    """Append what a contender missed to a file, as JSON lines."""
    with path.open("a", encoding="utf-8") as file:
        for result in results:
            if result.judgement.verdict != RIGHT:
                print(json.dumps(_miss(name, result), ensure_ascii=False), file=file)


def _miss(name: str, result: Result) -> dict[str, Any]:
    case, judgement = result.case, result.judgement
    return {
        "contender": name,
        "part": case.part,
        "id": case.id,
        "language": case.language,
        "text": case.text,
        "context_area": case.context_area,
        "verdict": judgement.verdict,
        "miss": judgement.miss,
        "expected": judgement.expected,
        "got": judgement.got,
        "candidates": result.answer.candidates if result.answer else (),
        "failed": result.failed,
    }
