"""The scheduler's rules with a fake model: order, shares, limits, ends. The tests take each step by hand."""

import time
from collections.abc import Callable

import pytest

from edge_llm.contract.turns import Turn
from edge_llm.engine.prompt import PREFILL_CHUNK, SHARED_PREFILL_CHUNK, chunk_end
from edge_llm.engine.sequence import RequestStatus, Sequence
from edge_llm.engine.text.thoughts import ThoughtFilter
from edge_llm.engine.types import (
    Completion,
    Event,
    Failure,
    GenerationRequest,
    Queued,
    SamplingParams,
    Started,
    TokenEvent,
)
from edge_llm.errors import RequestError
from tests.unit.engine.fakes import END, SAMPLED, Bench


def test_a_reply_goes_from_queued_to_complete() -> None:
    bench = Bench()
    sequence, events = bench.submit("hello", max_tokens=2)
    statuses = [sequence.status]
    bench.finish()
    statuses.append(sequence.status)
    assert statuses == [RequestStatus.WAITING, RequestStatus.FINISHED]
    assert events.seen[:2] == [Queued(0), Started(7)]
    assert [type(event) for event in events.seen[2:]] == [TokenEvent, TokenEvent, Completion]
    end = events.end
    assert isinstance(end, Completion)
    assert (end.finish_reason, end.usage.completion_tokens, end.token_ids) == ("length", 2, (1, 1))


def test_the_end_token_ends_a_reply_unless_it_is_ignored() -> None:
    bench = Bench()
    bench.decoder.choose = lambda ids: END if len(ids) > 5 else 1
    _, events = bench.submit("hi", max_tokens=9)
    _, measured = bench.submit("hi", max_tokens=9, ignore_eos=True)
    bench.finish()
    assert isinstance(events.end, Completion)
    assert (events.end.finish_reason, events.end.usage.completion_tokens) == ("stop", 2)
    assert isinstance(measured.end, Completion)
    assert measured.end.usage.completion_tokens == 9


def test_as_many_are_taken_as_there_are_slots_and_places_to_wait() -> None:
    """Also before the engine's thread has come by to give them their slots."""
    bench = Bench(slots=2, queue_limit=1)
    positions = [bench.submit()[1].seen for _ in range(3)]
    assert positions == [[Queued(0)], [Queued(0)], [Queued(1)]]
    with pytest.raises(RequestError, match="1 requests wait already") as refused:
        bench.submit()
    assert refused.value.code == "busy"
    again, _ = bench.submit(redelivered=True)  # accepted before, by a process that was killed
    assert again.status is RequestStatus.WAITING


def test_owners_with_fewer_replies_in_progress_come_first() -> None:
    bench = Bench(slots=2)
    for number in range(3):
        bench.submit(f"a{number}", owner="anna", max_tokens=50)
    ben, _ = bench.submit("b0", owner="ben", max_tokens=2)
    bench.step()
    assert ben.status is not RequestStatus.WAITING
    bench.finish()
    assert bench.order == ["b0", "a0", "a1", "a2"]


def test_a_long_prompt_is_fed_in_chunks_smaller_ones_while_others_decode() -> None:
    bench = Bench(slots=2)
    bench.submit("x" * 600, max_tokens=1)
    bench.step(3)
    assert [tokens for _, tokens in bench.decoder.passes] == [
        PREFILL_CHUNK,
        PREFILL_CHUNK,
        602 - 2 * PREFILL_CHUNK,
    ]
    bench.decoder.passes.clear()
    bench.submit("short", max_tokens=50)
    bench.step()
    bench.decoder.passes.clear()
    bench.submit("y" * 300, max_tokens=1)
    bench.step(3)
    fed = [tokens for _, tokens in bench.decoder.passes]
    assert fed == 3 * [SHARED_PREFILL_CHUNK, 1]  # between two chunks the other reply goes on


def test_a_prompts_last_pass_has_two_tokens_at_least() -> None:
    bench = Bench()
    bench.submit("x" * (PREFILL_CHUNK - 1), max_tokens=1)  # one token more than a chunk
    bench.finish()
    assert [tokens for _, tokens in bench.decoder.passes] == [PREFILL_CHUNK - 1, 2]


def test_replies_side_by_side_are_one_batch_also_with_a_free_slot_between() -> None:
    bench = Bench(slots=3)
    bench.submit("a", max_tokens=20)
    short, _ = bench.submit("b", max_tokens=2)
    bench.submit("c", max_tokens=20)
    while short.status is not RequestStatus.FINISHED:
        bench.step()
    bench.step(2)
    assert bench.decoder.passes[-1] == ((0, 2), 1)
    bench.finish()
    assert sorted(bench.order) == ["a", "b", "c"]


def test_drafts_are_verified_in_one_pass_and_wrong_ones_forgotten() -> None:
    """The fake model repeats the prompt's letters in a circle, but for one letter in twenty."""
    text = "abcdefgh" * 4

    def choose(ids: list[int]) -> int:
        return ord("z") if len(ids) % 20 == 0 else ids[-8] if len(ids) > 8 else ord("a")

    replies = []
    for sampling in (SamplingParams(0, 0, 1, None), SAMPLED):
        bench = Bench()
        bench.decoder.choose = choose
        _, events = bench.submit(text, max_tokens=60, sampling=sampling)
        bench.finish()
        assert isinstance(events.end, Completion)
        replies.append(events.end)
    drafted, plain = replies
    assert drafted.token_ids == plain.token_ids
    assert drafted.usage.completion_tokens == plain.usage.completion_tokens == 60
    assert 0 < drafted.usage.accepted_tokens < drafted.usage.draft_tokens
    assert plain.usage.draft_tokens == 0


def test_all_logits_are_exact_where_one_of_a_batch_may_choose_any() -> None:
    bench = Bench(slots=2)
    bench.submit("greedy", 9)
    bench.step(2)
    assert not any(bench.decoder.exact)
    bench.submit("any", 1, sampling=SamplingParams(temperature=1, top_k=0, top_p=0.9, seed=0))
    bench.decoder.exact.clear()
    bench.step()
    assert bench.decoder.exact == [True, False]


@pytest.mark.parametrize("begun", [False, True], ids=["waiting", "begun"])
def test_a_cancelled_request_ends_within_a_step(*, begun: bool) -> None:
    bench = Bench()
    other, _ = bench.submit("first", max_tokens=40) if not begun else (None, None)
    sequence, events = bench.submit("x", max_tokens=40)
    bench.step(3)
    bench.scheduler.cancel(sequence)
    bench.step()
    assert isinstance(events.end, Completion)
    assert events.end.finish_reason == "cancelled"
    assert bool(events.end.text) == begun
    bench.scheduler.cancel(sequence)  # once over, without effect
    if other:
        bench.scheduler.cancel(other)
        bench.step()
    assert bench.scheduler.steps is None


def test_late_requests_are_not_begun_and_slow_ones_given_up() -> None:
    bench = Bench()
    _, slow = bench.submit("slow", max_tokens=1000, deadline=time.monotonic() + 0.02)
    _, late = bench.submit("late", expires_at=time.monotonic() + 0.01)
    bench.step(2)
    time.sleep(0.03)
    bench.step()
    assert isinstance(slow.end, Failure)
    assert (slow.end.code, slow.end.text != "") == ("timeout", True)
    assert isinstance(late.end, Failure)
    assert (late.end.code, late.end.text) == ("expired", "")
    assert Started not in map(type, late.seen)


def test_a_prompt_larger_than_the_context_is_refused_and_its_slot_is_free_again() -> None:
    bench = Bench()
    _, events = bench.submit("x" * 5000)
    bench.step()
    assert isinstance(events.end, Failure)
    assert events.end.code == "context_overflow"
    _, fitting = bench.submit("x")
    bench.finish()
    assert isinstance(fitting.end, Completion)


def test_a_request_that_awaits_its_history_lets_others_pass() -> None:
    bench = Bench()
    waiting, events = bench.submit("next", awaits_history=True)
    bench.submit("other")
    bench.finish()
    assert (bench.order, waiting.status) == (["other"], RequestStatus.WAITING)
    assert bench.scheduler.steps is None  # nothing to do: no loop in vain
    bench.scheduler.release(waiting, (Turn(role="user", content="before"),))
    bench.finish()
    assert Started(2 + len("before") + len("next") + 1) in events.seen


def test_a_request_whose_history_cannot_be_read_ends_in_that_error() -> None:
    bench = Bench()
    sequence, events = bench.submit("next", awaits_history=True)
    bench.scheduler.cancel(sequence, RequestError("internal", "the session store failed"))
    bench.finish()
    assert events.end == Failure("internal", "the session store failed", "")


def test_a_step_that_fails_ends_its_requests_and_the_next_ones_are_served() -> None:
    bench = Bench()
    _, broken = bench.submit("a")

    def fail() -> None:
        raise ValueError("a broken pass")

    bench.decoder.on_pass = fail
    bench.step()
    assert isinstance(broken.end, Failure)
    assert broken.end.code == "internal"
    bench.decoder.on_pass = lambda: None
    _, good = bench.submit("b")
    bench.finish()
    assert isinstance(good.end, Completion)


@pytest.mark.parametrize("where", ["choosing", "detokenizing", "emitting", "finishing", "completing"])
def test_what_fails_for_one_sequence_is_its_own_failure(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its neighbours in the batch go on, its slot is free again, and it ends once."""
    bench = Bench(slots=3)
    broken, events = bench.submit("broken", max_tokens=20)
    neighbours = [bench.submit(text, max_tokens=20)[1] for text in ("b", "c")]
    bench.step(8)

    def fail(*_: object) -> None:
        raise ValueError("a broken part")

    def fail_on(kind: type) -> Callable[[Event], None]:
        return lambda event: fail() if isinstance(event, kind) else events(event)

    if where == "choosing":
        monkeypatch.setattr(broken, "_sample", fail)
    elif where in ("detokenizing", "finishing"):
        monkeypatch.setattr(broken._detokenizer, "push" if where == "detokenizing" else "finish", fail)
    else:
        broken.emit = fail_on(TokenEvent if where == "emitting" else Completion)
    bench.finish()
    assert isinstance(events.end, Failure)
    assert events.end.code == "internal"
    for other in neighbours:
        assert isinstance(other.end, Completion)
        assert other.end.usage.completion_tokens == 20
    _, after = bench.submit("after")
    bench.finish()
    assert isinstance(after.end, Completion)


def test_a_receiver_that_takes_nothing_harms_nobody_else() -> None:
    bench = Bench(slots=2)
    deaf, _ = bench.submit("deaf", max_tokens=9)
    _, other = bench.submit("b", max_tokens=9)

    def fail(_event: object) -> None:
        raise ValueError("a broken receiver")

    deaf.emit = fail
    bench.finish()
    assert isinstance(other.end, Completion)


def test_a_prompt_that_cannot_be_made_fails_alone_and_its_slot_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a template or a tokenizer raises: the thread lives on."""
    bench = Bench()

    def fail(*_: object, **__: object) -> list[int]:
        raise AttributeError("a broken tokenizer")

    with monkeypatch.context() as patched:
        patched.setattr(bench.tokenizer, "encode_chat", fail)
        _, broken = bench.submit("a")
        bench.step()
    assert isinstance(broken.end, Failure)
    assert broken.end.code == "internal"
    _, good = bench.submit("b")
    bench.finish()
    assert isinstance(good.end, Completion)


def test_thoughts_are_no_part_of_a_reply_and_their_tokens_are_not_kept() -> None:
    bench = Bench()
    bench.tokenizer.thoughts = ThoughtFilter(within=False)
    said = "<think>ab</think>\n\non"
    bench.decoder.choose = lambda ids: ord(said[min(len(ids) - 3, len(said) - 1)])
    _, events = bench.submit("x", max_tokens=len(said))
    bench.finish()
    assert isinstance(events.end, Completion)
    assert (events.end.text, events.end.token_ids) == ("on", None)
    assert events.end.usage.completion_tokens == len(said)
    assert [event.text for event in events.seen if isinstance(event, TokenEvent)] == ["o", "n"]


def test_prefill_only_computes_and_says_nothing() -> None:
    bench = Bench(prefixes=True)
    _, events = bench.submit("rules " * 20, max_tokens=0, prefill_only=True)
    bench.finish()
    assert isinstance(events.end, Completion)
    assert (events.end.text, events.end.usage.completion_tokens, events.end.finish_reason) == ("", 0, "stop")
    assert bench.scheduler.steps is None


def test_stopping_ends_what_waits_at_once_and_lets_what_is_begun_end() -> None:
    bench = Bench()
    _, begun = bench.submit("begun", max_tokens=5)
    _, waits = bench.submit("waits")
    bench.step()
    bench.scheduler.stop(grace_s=60)
    bench.scheduler.run()
    assert isinstance(begun.end, Completion)
    assert isinstance(waits.end, Failure)
    assert waits.end.code == "unavailable"
    with pytest.raises(RequestError, match="stopping"):
        bench.submit("late")


def test_stopping_without_grace_ends_what_is_begun() -> None:
    bench = Bench()
    _, begun = bench.submit("begun", max_tokens=5)
    _, held = bench.submit("held", awaits_history=True)
    bench.step()
    bench.scheduler.stop()
    bench.scheduler.run()
    ends = [begun.end, held.end]
    assert [isinstance(end, Failure) and end.code for end in ends] == 2 * ["unavailable"]


def test_events_are_not_emitted_under_the_schedulers_lock() -> None:
    """Who is told of an event may ask the scheduler something, from another thread too."""
    bench = Bench()
    free: list[bool] = []

    def emit(_event: object) -> None:
        free.append(bench.scheduler._changed.acquire(blocking=False))
        bench.scheduler._changed.release()
        free.append(not bench.scheduler._changed._is_owned())  # type: ignore[attr-defined] # Condition's own

    sequence = Sequence(GenerationRequest((Turn(role="user", content="x"),), 3, SAMPLED), emit)
    bench.scheduler.submit(sequence)
    bench.finish()
    assert len(free) == 2 * 6
    assert all(free)


@pytest.mark.parametrize(
    ("start", "prompt", "alone", "apart", "end"),
    [
        (0, 600, True, False, 256),
        (0, 600, False, False, 64),
        (512, 600, True, False, 600),
        (0, 257, True, False, 255),  # never one token alone at the end
        (512, 600, True, True, 598),  # the last two go through the decode graph
        (598, 600, True, True, 600),
        (592, 600, True, True, 600),  # so few that they all do
        (591, 600, True, True, 598),
        (0, 600, False, True, 64),
    ],
)
def test_chunks_of_a_prompt(start: int, prompt: int, alone: int, apart: int, end: int) -> None:
    assert chunk_end(start, prompt, alone=bool(alone), apart=bool(apart)) == end


def test_a_long_prompt_goes_through_the_prefill_graph_but_for_its_last_tokens() -> None:
    bench = Bench()
    bench.decoder.prefills_apart = True
    bench.submit("x" * 299, max_tokens=1)
    bench.finish()
    assert [tokens for _, tokens in bench.decoder.passes] == [PREFILL_CHUNK, 301 - PREFILL_CHUNK - 2, 2]
