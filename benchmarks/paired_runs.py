"""Paired runs of several engines: same weights, threads and prompts, alternating in every round."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

from benchmarks.contenders import Contender
from benchmarks.result import DECODE, PREFILL, Measure, Result
from edge_llm.bench.prompts import Prompt, lengths_of_round
from edge_llm.convert.progress import Progress
from edge_llm.errors import SourceError

PromptOf = Callable[[int], Prompt]
"""Makes a new prompt of a number of tokens."""


class Startable(Protocol):
    """An engine that can be started."""

    @property
    def name(self) -> str:
        """Its name in the table."""

    def running(self, threads: int, context_tokens: int) -> AbstractContextManager[Contender]:
        """Start it; end it after the block."""


@dataclass(frozen=True)
class Plan:
    """Rounds that are counted, lengths of prompts, and the tokens that are decoded behind each."""

    rounds: int
    prompt_tokens: tuple[int, ...] = (256, 1024, 4096, 8000)
    decode_tokens: int = 64

    @classmethod
    def quick(cls) -> "Plan":
        """Return a plan that shows that everything runs."""
        return cls(1, (256, 1024), 8)

    def fitting(self, context_tokens: int) -> "Plan":
        """Return it with the lengths that a model's context holds."""
        room = context_tokens - self.decode_tokens - 1
        return replace(self, prompt_tokens=tuple(n for n in self.prompt_tokens if n <= room))

    @property
    def context_tokens(self) -> int:
        """Context that the longest prompt needs."""
        return max(self.prompt_tokens) + self.decode_tokens + 1

    def lengths(self, number: int) -> list[int]:
        """Return the prompts' lengths in round ``number``; round 0 warms up with all of them."""
        return list(self.prompt_tokens) if number == 0 else lengths_of_round(self.prompt_tokens, number - 1)


def run_paired(
    startables: Sequence[Startable], make: PromptOf, threads: int, plan: Plan, progress: Progress
) -> list[Result]:
    """Run all of them, in their order in the results. Each prompt of each round starts with another one.

    One that cannot be started, or fails later, is missing from then on, with its reason.

    Raises:
        SourceError: the first one, which ratios refer to, is missing.
    """
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        running: list[Contender] = []
        advance = progress.stage("start the contenders", len(startables), "contenders")
        for startable in startables:
            try:
                running.append(stack.enter_context(startable.running(threads, plan.context_tokens)))
            except SourceError as error:
                missing[startable.name] = str(error)
            advance(startable.name)
        values = _play(running, missing, make, plan, progress)
        results = {
            contender.name: Result(
                contender.name,
                contender.version,
                {measure: tuple(its) for measure, its in values[contender.name].items()},
                contender.peak_rss_mb(),
            )
            for contender in running
        }
    if startables[0].name in missing:
        raise SourceError(missing[startables[0].name])
    results |= {name: Result(name, missing=reason) for name, reason in missing.items()}
    return [results[startable.name] for startable in startables]


_Values = dict[str, dict[Measure, list[float]]]


def _play(
    running: list[Contender], missing: dict[str, str], make: PromptOf, plan: Plan, progress: Progress
) -> _Values:
    """Run all rounds after round 0; what fails moves from ``running`` to ``missing``."""
    schedule = [(number, tokens) for number in range(plan.rounds + 1) for tokens in plan.lengths(number)]
    values: _Values = defaultdict(lambda: defaultdict(list))
    advance = progress.stage("replies", len(schedule), "prompts")
    for number, tokens in schedule:
        prompt = make(tokens)
        turn = number % len(running) if running else 0
        for contender in running[turn:] + running[:turn]:
            try:
                prefill, decode = contender.ask(prompt, plan.decode_tokens)
            except SourceError as error:
                missing[contender.name] = str(error)
                running.remove(contender)
                continue
            if number:
                values[contender.name][PREFILL, tokens].append(prefill)
                values[contender.name][DECODE, tokens].append(decode)
        advance(f"{tokens} tokens")
    return values
