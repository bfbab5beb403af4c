"""The scheduler on the real demo model: prefixes reused, replies side by side, drafts that change nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Semaphore, Thread

import numpy as np
import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.drafter import Drafter
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.prefix_store import PrefixStore
from edge_llm.engine.scheduler import PREFILL_CHUNK, Scheduler
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import (
    Completion,
    Event,
    Failure,
    GenerationRequest,
    Message,
    Queued,
    SamplingParams,
    TokenEvent,
)
from edge_llm.errors import RequestError

GREEDY = SamplingParams(temperature=0, top_k=0, top_p=1, seed=None)
RULES = Message("system", "You control a house. " + "The kitchen lamp is on, the bath lamp is off. " * 25)
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


class Engine:
    """A scheduler on its thread, asked from the test's."""

    def __init__(
        self, bundle: Bundle, slots: int = 1, store: PrefixStore | None = None, budget: int = 10**9
    ) -> None:
        self.cache = KVCache(bundle.manifest.kv, slots, 1024)
        self.prefixes = PrefixCache(self.cache, budget, store)
        self.decoder = load_decoder(bundle, self.cache)
        self.tokenizer = ChatTokenizer(bundle)
        self.events: list[tuple[int, Event]] = []
        self.scheduler = Scheduler(
            self.decoder, self.tokenizer, bundle.manifest.eos_token_ids, 16, self.prefixes
        )
        self._thread = Thread(target=self.scheduler.run)
        self._thread.start()

    def ask(self, *requests: GenerationRequest) -> list[Completion]:
        """Submit all at once, and wait for all; ``events`` holds what was emitted, by request."""
        ended = Semaphore(0)
        self.events = []

        def emit(number: int, event: Event) -> None:
            self.events.append((number, event))
            if isinstance(event, Completion | Failure):
                ended.release()

        for number, request in enumerate(requests):
            self.scheduler.submit(request, lambda event, number=number: emit(number, event))  # type: ignore[misc] # bound
        for _ in requests:
            assert ended.acquire(timeout=120)
        last = {number: event for number, event in self.events if not isinstance(event, TokenEvent)}
        return [event for _, event in sorted(last.items()) if isinstance(event, Completion)]

    def close(self) -> None:
        self.scheduler.stop()
        self._thread.join()


@pytest.fixture(scope="module")
def int8(bundle: Callable[[Quantization], Bundle]) -> Bundle:
    return bundle("int8")


@pytest.fixture
def engine(int8: Bundle) -> Iterator[Engine]:
    engine = Engine(int8)
    yield engine
    engine.close()


def request(text: str, *before: Message, **fields: object) -> GenerationRequest:
    defaults: dict[str, object] = {"max_tokens": 24, "sampling": GREEDY}
    return GenerationRequest((*before, Message("user", text)), **{**defaults, **fields})  # type: ignore[arg-type] # a mixed dict


def test_a_known_prefix_is_not_computed_again_and_changes_no_token(engine: Engine) -> None:
    cold, other, again = (engine.ask(request(text, RULES))[0] for text in (*QUESTIONS[:2], QUESTIONS[0]))
    shared = len(engine.tokenizer.encode_chat([RULES], open_reply=False))
    assert cold.stats.cached_tokens == 0
    assert shared <= other.stats.cached_tokens < other.stats.prompt_tokens
    assert again.stats.cached_tokens == again.stats.prompt_tokens - 2
    assert again.token_ids == cold.token_ids


def test_the_next_turn_computes_only_what_is_new(engine: Engine) -> None:
    """The reply's tokens are kept as they were generated, not made from its text again."""
    first = engine.ask(request(QUESTIONS[0]))[0]
    reply = Message("assistant", first.text, first.token_ids)
    second = engine.ask(request("And vegetables?", Message("user", QUESTIONS[0]), reply))[0]
    assert second.stats.cached_tokens >= first.stats.prompt_tokens + first.stats.completion_tokens - 1


def test_the_oldest_turns_are_dropped_where_the_context_is_full_and_counted(engine: Engine) -> None:
    turn = (Message("user", "The lamp is on. " * 40), Message("assistant", "Fine. " * 40))
    asked = GenerationRequest(
        (RULES, Message("user", "And now?")), 8, GREEDY, session="s", history=lambda: turn * 4
    )
    completion = engine.ask(asked)[0]
    assert completion.dropped_messages > 0
    assert completion.dropped_messages % 2 == 0
    assert completion.stats.prompt_tokens <= 1024 - 8


def test_requests_of_one_session_are_served_one_after_the_other(int8: Bundle) -> None:
    engine = Engine(int8, slots=2)
    seen: list[int] = []

    def history() -> tuple[Message, ...]:
        seen.append(sum(isinstance(event, Completion) for _, event in engine.events))
        return ()

    try:
        engine.ask(*(request(text, session="s", history=history) for text in QUESTIONS[:3]))
    finally:
        engine.close()
    assert seen == [0, 1, 2]


def test_replies_side_by_side_are_those_of_each_alone(int8: Bundle, engine: Engine) -> None:
    sampled = [
        request(text, sampling=SamplingParams(0.8, 0, 0.95, seed)) for seed, text in enumerate(QUESTIONS)
    ]
    alone = [engine.ask(each)[0] for each in sampled]
    together = Engine(int8, slots=4)
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
            decoder.forward(range(slot, slot + 1), np.array([ids[:-80]]), 0)
    agreed = []
    for step in range(-80, 0):
        batch = np.array([[ids[step]] for ids in texts])
        chosen = together.forward(range(3), batch, 1)[:, 0].argmax(axis=1).tolist()
        agreed += [
            chosen[slot] == int(alone.forward(range(slot, slot + 1), batch[slot : slot + 1], 1).argmax())
            for slot in range(3)
        ]
    assert np.mean(agreed) >= 0.99


def test_a_long_prompt_is_fed_between_the_steps_of_another_reply(int8: Bundle) -> None:
    """Deltas of the first reply go on coming while the second one's prompt is being fed."""
    engine = Engine(int8, slots=2)
    try:
        engine.ask(
            request("Count from one to fifty in words.", max_tokens=120), request(QUESTIONS[0], RULES, RULES)
        )
        order = [number for number, event in engine.events if isinstance(event, TokenEvent)]
    finally:
        engine.close()
    assert order.index(1) >= 4


def test_a_slot_between_two_others_is_not_disturbed(int8: Bundle) -> None:
    engine = Engine(int8, slots=3)
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
    engine = Engine(bundle("fp32"))
    text = "Repeat exactly: alpha beta gamma delta alpha beta gamma delta alpha beta gamma delta"
    drafted = engine.ask(request(text, max_tokens=60))[0]
    assert drafted.stats.accepted_tokens > 10
    monkeypatch.setattr(Drafter, "draft", lambda *_: [])
    plain = engine.ask(request(text, max_tokens=60))[0]
    assert plain.stats.draft_tokens == 0
    assert drafted.token_ids == plain.token_ids
    assert len(drafted.token_ids or ()) <= 60
    engine.close()


def test_a_pinned_prefix_survives_a_restart_and_gives_the_same_tokens(int8: Bundle, tmp_path: Path) -> None:
    kv = int8.manifest.kv
    store = PrefixStore(tmp_path, int8.hash, (2 * kv.layers, kv.kv_heads, kv.head_dim), 10**9)
    first = Engine(int8, store=store)
    prepared = first.ask(GenerationRequest((RULES,), 0, GREEDY, prefill_only=True))[0]
    cold = Engine(int8)
    expected = cold.ask(request(QUESTIONS[1], RULES))[0]
    cold.close()
    first.close()
    assert (prepared.text, prepared.stats.completion_tokens) == ("", 0)
    second = Engine(int8, store=store)
    warm = second.ask(request(QUESTIONS[1], RULES))[0]
    second.close()
    assert warm.stats.cached_tokens >= prepared.stats.prompt_tokens > PREFILL_CHUNK
    assert warm.token_ids == expected.token_ids


def test_corrupt_and_foreign_prefix_files_are_ignored_with_a_line_each(
    int8: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shape = (4, 2, 8)
    good = PrefixStore(tmp_path, "mine", shape, 10**9)
    kv = np.random.default_rng(0).normal(size=(4, 2, 5, 8)).astype(np.float32)
    good.save([1, 2, 3, 4, 5], kv)
    good.save([9, 8, 7, 6, 5], kv)
    PrefixStore(tmp_path, "another bundle's", shape, 10**9).save([7, 7], kv[:, :, :2])
    corrupt = min(tmp_path.glob("*.prefix"), key=lambda path: path.stat().st_mtime)
    raw = bytearray(corrupt.read_bytes())
    raw[-1] ^= 1
    corrupt.write_bytes(raw)
    (tmp_path / "empty.prefix").write_bytes(b"")
    loaded = list(good.load())
    assert [ids for ids, _ in loaded] == [[9, 8, 7, 6, 5]]
    np.testing.assert_array_equal(loaded[0][1], kv)
    assert [record.message.split()[0] for record in caplog.records] == 3 * ["prefix_store.ignored"]
    PrefixStore(tmp_path, "mine", shape, 0)._make_room()
    assert list(tmp_path.iterdir()) == []


def test_as_many_are_taken_as_there_are_slots_and_places_to_wait(int8: Bundle) -> None:
    """Also before the engine's thread has come by to give them their slots."""
    cache = KVCache(int8.manifest.kv, 2, 64)
    scheduler = Scheduler(load_decoder(int8, cache), ChatTokenizer(int8), (), queue_limit=1)
    request = GenerationRequest((Message("user", "Hi"),), 1, GREEDY)
    positions: list[Event] = []
    for _ in range(3):
        scheduler.submit(request, positions.append)
    assert positions == [Queued(0), Queued(0), Queued(1)]
    with pytest.raises(RequestError, match="1 requests wait already"):
        scheduler.submit(request, positions.append)
