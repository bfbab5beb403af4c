"""The scheduler on the real demo model: prefixes reused, replies side by side, drafts that change nothing."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Semaphore

import numpy as np
import pytest

from edge_llm.bundle import Bundle
from edge_llm.config import EngineSettings
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.convert.prepare import Quantization
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.drafter import Drafter
from edge_llm.engine.engine import Engine
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.loading import LoadingModel
from edge_llm.engine.prompt import PREFILL_CHUNK
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import (
    Completion,
    Event,
    Failure,
    GenerationRequest,
    SamplingParams,
    TokenEvent,
)

RULES = Turn(
    role="system", content="You control a house. " + "The kitchen lamp is on, the bath lamp is off. " * 25
)
STORY = """The house was quiet in the evening. The lamp in the hall was on, the heating was turned down, and
the cat slept on the warm floor of the bathroom. In the kitchen somebody had left a window open, so that the
curtain moved in the wind. When the alarm went off, nobody was at home to hear it. The neighbours called the
police, who found nothing but a cat, a window and a curtain, and wrote a short report."""
QUESTIONS = (
    "Name three fruits.",
    "What is a thermostat?",
    "Tell a story about a cat.",
    "Why is the sky blue?",
)


class Conversation:
    """An engine, asked from the test's thread."""

    def __init__(self, bundle: Bundle, slots: int = 1, **settings: object) -> None:
        fields = {"slots": slots, "context_tokens": 1024, "prefix_cache_mb": 1000, "grace_s": 0} | settings
        chosen = EngineSettings.model_validate(fields)
        self.engine = Engine(LoadingModel(bundle, chosen), chosen)
        self.events: list[tuple[int, Event]] = []
        self.engine.start()

    def ask(self, *requests: GenerationRequest, history: tuple[Turn, ...] = ()) -> list[Completion]:
        """Submit all at once, and wait for all; ``events`` holds what was emitted, by request."""
        ended = Semaphore(0)
        self.events = []

        def emit(number: int, event: Event) -> None:
            self.events.append((number, event))
            if isinstance(event, Completion | Failure):
                ended.release()

        for number, request in enumerate(requests):
            sequence = Sequence(request, partial(emit, number))
            self.engine.submit(sequence)
            if request.awaits_history:
                self.engine.release(sequence, history)
        for _ in requests:
            assert ended.acquire(timeout=120)
        last = {number: event for number, event in self.events if not isinstance(event, TokenEvent)}
        return [event for _, event in sorted(last.items()) if isinstance(event, Completion)]

    def close(self) -> None:
        self.engine.stop()


@pytest.fixture
def engine(int8: Bundle) -> Iterator[Conversation]:
    engine = Conversation(int8)
    yield engine
    engine.close()


def request(text: str, *before: Turn, **fields: object) -> GenerationRequest:
    defaults: dict[str, object] = {"max_tokens": 24}
    return GenerationRequest((*before, Turn(role="user", content=text)), **{**defaults, **fields})  # type: ignore[arg-type] # a mixed dict


def test_a_known_prefix_is_not_computed_again_and_changes_no_token(engine: Conversation) -> None:
    cold, other, again = (engine.ask(request(text, RULES))[0] for text in (*QUESTIONS[:2], QUESTIONS[0]))
    shared = len(engine.engine.tokenizer.encode_chat([RULES], open_reply=False))
    assert cold.usage.cached_tokens == 0
    assert shared <= other.usage.cached_tokens < other.usage.prompt_tokens
    assert again.usage.cached_tokens == again.usage.prompt_tokens - 2
    assert again.token_ids == cold.token_ids


def test_a_prompt_that_is_being_computed_is_not_computed_twice(int8: Bundle, engine: Conversation) -> None:
    """A question comes while its rules are prefilled, or while another one is answered under them."""
    shared = len(engine.engine.tokenizer.encode_chat([RULES], open_reply=False))
    cold = engine.ask(request(QUESTIONS[0], RULES))[0]
    ahead = GenerationRequest((RULES,), 0, prefill_only=True)
    for first, length in ((ahead, 24), (request(QUESTIONS[1], RULES, max_tokens=60), 1)):
        pair = Conversation(int8, slots=2)
        second = pair.ask(first, request(QUESTIONS[0], RULES, max_tokens=length))[1]
        pair.close()
        assert shared <= second.usage.cached_tokens < second.usage.prompt_tokens
        assert second.token_ids == (cold.token_ids or ())[:length]


def test_the_next_turn_computes_only_what_is_new(engine: Conversation) -> None:
    """The reply's tokens are kept as they were generated, not made from its text again."""
    first = engine.ask(request(QUESTIONS[0]))[0]
    reply = GeneratedTurn(role="assistant", content=first.text, token_ids=first.token_ids or ())
    second = engine.ask(request("And vegetables?", Turn(role="user", content=QUESTIONS[0]), reply))[0]
    assert second.usage.cached_tokens >= first.usage.prompt_tokens + first.usage.completion_tokens - 1


def test_the_oldest_turns_are_dropped_where_the_context_is_full_and_counted(engine: Conversation) -> None:
    turn = (Turn(role="user", content="The lamp is on. " * 40), Turn(role="assistant", content="Fine. " * 40))
    asked = GenerationRequest((RULES, Turn(role="user", content="And now?")), 8, awaits_history=True)
    usage = engine.ask(asked, history=turn * 4)[0].usage
    assert usage.dropped_messages > 0
    assert usage.dropped_messages % 2 == 0
    assert usage.prompt_tokens <= 1024 - 8


def test_replies_side_by_side_are_those_of_each_alone(int8: Bundle, engine: Conversation) -> None:
    sampled = [
        request(text, sampling=SamplingParams(0.8, 0, 0.95, seed)) for seed, text in enumerate(QUESTIONS)
    ]
    alone = [engine.ask(each)[0] for each in sampled]
    together = Conversation(int8, slots=4)
    try:
        completions = together.ask(*sampled)
        texts = [
            [e.text for n, e in together.events if n == number and isinstance(e, TokenEvent)]
            for number in range(4)
        ]
    finally:
        together.close()
    assert ["".join(pieces) for pieces in texts] == [each.text for each in completions]
    agreed = [
        a == b
        for one, two in zip(alone, completions, strict=True)
        for a, b in zip(one.token_ids or (), two.token_ids or (), strict=False)
    ]
    assert np.mean(agreed) > 0.9


def test_rows_of_a_batch_choose_as_alone_on_99_percent_of_teacher_forced_steps(int8: Bundle) -> None:
    together, alone = (load_decoder(int8, KVCache(int8.manifest.kv, 3, 512)) for _ in range(2))
    tokenizer = ChatTokenizer(int8)
    story = tokenizer.encode_text(STORY)
    texts = [story[start:] for start in (0, 4, 9)]
    for slot, ids in enumerate(texts):
        for decoder in (together, alone):
            decoder.forward([slot], np.array([ids[:-80]]), 0)
    agreed = []
    for step in range(-80, 0):
        batch = np.array([[ids[step]] for ids in texts])
        chosen = together.forward(range(3), batch, 1)[:, 0].argmax(axis=1).tolist()
        agreed += [
            chosen[slot] == int(alone.forward([slot], batch[slot : slot + 1], 1).argmax())
            for slot in range(3)
        ]
    assert np.mean(agreed) >= 0.99


def test_a_long_prompt_is_fed_between_the_steps_of_another_reply(int8: Bundle) -> None:
    """Deltas of the first reply go on coming while the second one's prompt is being fed."""
    engine = Conversation(int8, slots=2)
    try:
        engine.ask(
            request("Count from one to fifty in words.", max_tokens=120), request(QUESTIONS[0], RULES, RULES)
        )
        order = [number for number, event in engine.events if isinstance(event, TokenEvent)]
    finally:
        engine.close()
    assert order.index(1) >= 4


def test_a_slot_between_two_others_is_not_disturbed(int8: Bundle) -> None:
    engine = Conversation(int8, slots=3)
    try:
        alone = engine.ask(request(QUESTIONS[2], max_tokens=60))[0]
        short = [
            request(QUESTIONS[0], max_tokens=60),
            request("Say hello.", max_tokens=2),
            request(QUESTIONS[2], max_tokens=60),
        ]
        assert engine.ask(*short)[2].text[:40] == alone.text[:40]
    finally:
        engine.close()


def test_drafts_are_accepted_and_change_no_token(
    bundle: Callable[[Quantization], Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32: with quantized weights a pass over several tokens rounds otherwise than one over one."""
    engine = Conversation(bundle("fp32"))
    text = "Repeat exactly: alpha beta gamma delta alpha beta gamma delta alpha beta gamma delta"
    drafted = engine.ask(request(text, max_tokens=60))[0]
    assert drafted.usage.accepted_tokens > 10
    monkeypatch.setattr(Drafter, "draft", lambda *_: [])
    plain = engine.ask(request(text, max_tokens=60))[0]
    assert plain.usage.draft_tokens == 0
    assert drafted.token_ids == plain.token_ids
    assert len(drafted.token_ids or ()) <= 60
    engine.close()


def test_a_pinned_prefix_survives_a_restart_and_gives_the_same_tokens(int8: Bundle, tmp_path: Path) -> None:
    first = Conversation(int8, prefix_store=tmp_path)
    prepared = first.ask(GenerationRequest((RULES,), 0, prefill_only=True))[0]
    cold = Conversation(int8)
    expected = cold.ask(request(QUESTIONS[1], RULES))[0]
    cold.close()
    first.close()
    assert (prepared.text, prepared.usage.completion_tokens) == ("", 0)
    second = Conversation(int8, prefix_store=tmp_path)
    warm = second.ask(request(QUESTIONS[1], RULES))[0]
    second.close()
    assert warm.usage.cached_tokens >= prepared.usage.prompt_tokens > PREFILL_CHUNK
    assert warm.token_ids == expected.token_ids
