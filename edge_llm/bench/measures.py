"""Measures of the engine in this process: times to the first token, decoding, streams side by side."""

from dataclasses import dataclass
from time import monotonic

from edge_llm.bench.figures import Rounds
from edge_llm.bench.local_engine import DRAFTING, GREEDY, LocalEngine
from edge_llm.bench.prompts import Prompts, lengths_of_round
from edge_llm.convert.progress import Advance
from edge_llm.convert.quality import Conversation, conversations, fitting
from edge_llm.engine.types import SamplingParams

OWN_TOKENS = 20
"""New tokens behind a cached prefix."""


@dataclass(frozen=True)
class Plan:
    """Sizes of a measurement; ``quick`` only shows that it works."""

    rounds: int = 5
    prompt_tokens: tuple[int, ...] = (32, 256, 1024, 4096, 8000)
    prefix_tokens: int = 1500
    decode_tokens: int = 48
    streams: tuple[int, ...] = (1, 2, 3, 4)
    idle_s: float = 10.0

    @classmethod
    def quick(cls) -> "Plan":
        """Return a plan that takes seconds instead of minutes."""
        return cls(
            rounds=1,
            prompt_tokens=(32, 256),
            prefix_tokens=150,
            decode_tokens=8,
            streams=(1, 2),
            idle_s=0.5,
        )

    def context_tokens(self, limit: int) -> int:
        """Return the context that the longest prompt needs, at most the model's ``limit``."""
        return min(limit, max(*self.prompt_tokens, self.prefix_tokens + 100) + self.decode_tokens + 1)


def steps(plan: Plan, engine: LocalEngine) -> int:
    """Count the steps that ``measure_replies`` reports."""
    return sum(len(_lengths(plan, engine, number)) + 1 for number in range(plan.rounds))


def measure_replies(engine: LocalEngine, plan: Plan, rounds: Rounds, advance: Advance) -> None:
    """Measure cold and warm TTFT, and decoding at several context lengths, alternating in each round."""
    prompts = Prompts(engine.tokenizer)
    engine.run(
        prompts.of(min(plan.prompt_tokens)), plan.decode_tokens
    )  # the first reply pays for page faults
    for number in range(plan.rounds):
        for tokens in _lengths(plan, engine, number):
            completion = engine.run(prompts.of(tokens), plan.decode_tokens).completion
            cached = completion.usage.cached_tokens
            note = f"{cached} tokens cached" if cached else ""
            rounds.add("cold TTFT", "ms", completion.timing_ms.ttft, tokens, note)
            rounds.add("decode at context", "tokens/s", completion.tokens_per_second, tokens)
            advance(f"{tokens} tokens")
        _measure_prefix(engine, plan, prompts, rounds)
        advance("prefix")


def _lengths(plan: Plan, engine: LocalEngine, number: int) -> list[int]:
    room = engine.context_tokens - plan.decode_tokens
    return [tokens for tokens in lengths_of_round(plan.prompt_tokens, number) if tokens <= room]


def _measure_prefix(engine: LocalEngine, plan: Plan, prompts: Prompts, rounds: Rounds) -> None:
    """Measure TTFT with a long prefix: a new one, and the same with other tokens behind it."""
    first, again = prompts.with_prefix(plan.prefix_tokens, OWN_TOKENS)
    if len(first.ids) >= engine.context_tokens:
        return
    cold = engine.run(first, 1).completion
    warm = engine.run(again, 1).completion
    note = f"{warm.usage.cached_tokens} of {warm.usage.prompt_tokens} tokens cached"
    rounds.add("TTFT with a new prefix", "ms", cold.timing_ms.ttft, plan.prefix_tokens)
    rounds.add("warm TTFT, the same prefix", "ms", warm.timing_ms.ttft, plan.prefix_tokens, note)


def measure_drafts(engine: LocalEngine, plan: Plan, rounds: Rounds, advance: Advance) -> None:
    """Compare decoding with and without drafts, on questions that people ask; one value per question."""
    drafted = accepted = 0
    for conversation in questions(plan, engine):
        question, reply = conversation.messages[:-1], conversation.messages[-1]
        # No longer than a real reply: text after its end repeats itself, and drafts of that are always right.
        tokens = min(plan.decode_tokens, len(engine.tokenizer.encode_text(reply.content)))
        rates: dict[SamplingParams, list[float]] = {}
        for sampling in (GREEDY, DRAFTING, DRAFTING, GREEDY):
            completion = engine.run(question, tokens, sampling).completion
            rates.setdefault(sampling, []).append(completion.tokens_per_second)
            drafted += completion.usage.draft_tokens
            accepted += completion.usage.accepted_tokens
        note = f"{accepted} of {drafted} drafted tokens right"
        rounds.add("with drafts / without", "%", 100 * sum(rates[DRAFTING]) / sum(rates[GREEDY]), note=note)
        advance("question")


def questions(plan: Plan, engine: LocalEngine) -> list[Conversation]:
    """Choose shipped conversations that fit the context; more rounds choose more of them."""
    found = fitting(conversations("calibration"), engine.tokenizer, engine.context_tokens)
    return found[:: max(1, len(found) // (5 * plan.rounds))]


def measure_streams(engine: LocalEngine, plan: Plan, rounds: Rounds, advance: Advance) -> None:
    """Measure tokens per second of all streams together, from the first request to the last reply's end."""
    prompts = Prompts(engine.tokenizer, seed=1)
    for _ in range(plan.rounds):
        for streams in plan.streams:
            started = monotonic()
            futures = [engine.submit(prompts.of(32), plan.decode_tokens) for _ in range(streams)]
            replies = [future.result() for future in futures]
            tokens = sum(reply.completion.usage.completion_tokens for reply in replies)
            rounds.add("concurrent streams, together", "tokens/s", tokens / (monotonic() - started), streams)
            advance(f"{streams} streams")
