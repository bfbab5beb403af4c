"""The radix tree against a plain dictionary of what was stored, its budget, and what is kept and reused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_llm.bundle import KvGeometry
from edge_llm.engine.drafter import Drafter
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.prefix_cache import PrefixCache, _common
from edge_llm.engine.prompt import PREFILL_CHUNK
from edge_llm.engine.types import Completion, Failure, SamplingParams
from edge_llm.errors import RequestError
from tests.unit.engine.fakes import Bench

GEOMETRY = KvGeometry(layers=1, kv_heads=1, head_dim=1)
BYTES_A_TOKEN = 2 * 4
texts = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=12)


def fill(cache: KVCache, ids: list[int]) -> None:
    """Keys that depend on all the tokens before them, as real ones do."""
    for array in cache.arrays:
        array[0] = -1
        for position in range(len(ids)):
            array[0, 0, position, 0] = hash(tuple(ids[: position + 1])) % 10_007


@settings(max_examples=300)
@given(texts, st.booleans())
def test_the_longest_common_prefix_is_found_with_its_own_keys(
    stored: list[list[int]],
    pinned: bool,  # noqa: FBT001 - hypothesis' argument
) -> None:
    cache = KVCache(GEOMETRY, slots=1, capacity=16)
    prefixes = PrefixCache(cache, 10**9)
    for number, ids in enumerate(stored):
        best = max((_common(ids, other) for other in stored[:number]), default=0)
        assert prefixes.load(0, ids) == best == cache.length(0)
        held = [array[0, 0, :best, 0].tolist() for array in cache.arrays]
        fill(cache, ids)
        assert held == [array[0, 0, :best, 0].tolist() for array in cache.arrays]
        prefixes.store(0, ids, pinned=pinned)
    distinct = {tuple(ids[: end + 1]) for ids in stored for end in range(len(ids))}
    # What is most of an array stays in it when it is cut in two.
    assert 1 <= prefixes.bytes / (len(distinct) * BYTES_A_TOKEN) <= 1 / 0.75
    held = [node.kv if node.kv.base is None else node.kv.base for node in prefixes._nodes(prefixes._root)]
    assert len({id(array) for array in held}) == len(held)
    assert prefixes.bytes == sum(array.nbytes for array in held)


@settings(max_examples=200)
@given(texts, st.integers(0, 30))
def test_the_budget_holds(stored: list[list[int]], tokens: int) -> None:
    cache = KVCache(GEOMETRY, slots=1, capacity=16)
    prefixes = PrefixCache(cache, tokens * BYTES_A_TOKEN)
    for number, ids in enumerate(stored):
        fill(cache, ids)
        prefixes.store(0, ids, pinned=number % 3 == 0)
        assert prefixes.bytes <= tokens * BYTES_A_TOKEN


def test_a_question_behind_a_long_prompt_copies_nothing_of_that() -> None:
    cache = KVCache(GEOMETRY, slots=1, capacity=64)
    prefixes = PrefixCache(cache, 10**9)
    for question in (1, 2):
        ids = [*[0] * 40, question]
        fill(cache, ids)
        prefixes.store(0, ids)
        (first,) = prefixes._root.children.values()
        if question == 1:
            kept = first.kv
    assert first.ids == (0,) * 40
    assert first.kv.base is kept
    assert prefixes.bytes == (41 + 2) * BYTES_A_TOKEN


def test_the_least_recently_used_goes_first_and_pinned_ones_last() -> None:
    cache = KVCache(GEOMETRY, slots=1, capacity=16)
    prefixes = PrefixCache(cache, 9 * BYTES_A_TOKEN)
    for ids, pinned in (([1, 1, 1], True), ([2, 2, 2], False), ([3, 3, 3], False)):
        fill(cache, ids)
        prefixes.store(0, ids, pinned=pinned)
    assert prefixes.load(0, [2, 2, 2]) == 3
    fill(cache, [4, 4, 4])
    prefixes.store(0, [4, 4, 4])
    assert [prefixes.load(0, [n, n, n]) for n in (1, 2, 3, 4)] == [3, 3, 0, 3]


def test_pinned_ones_that_nobody_uses_leave_room_for_sessions() -> None:
    """A house that changes is prefilled anew each time; of a budget of 16 tokens 12 are safe."""
    cache = KVCache(GEOMETRY, slots=1, capacity=16)
    prefixes = PrefixCache(cache, 16 * BYTES_A_TOKEN)
    houses = [[1, house, house, house] for house in range(2, 9)]
    for house in houses:
        fill(cache, house)
        prefixes.store(0, house, pinned=True)
    session = [9, 9, 9, 9]
    for _ in range(2):
        fill(cache, session)
        prefixes.store(0, session)
    known = [prefixes.load(0, house) for house in houses]
    assert known == [1, 1, 1, 1, 4, 4, 4]
    assert prefixes.load(0, session) == 4


def test_drafts_stop_where_they_do_not_help_and_are_tried_again_now_and_then() -> None:
    drafter = Drafter()
    ids = [1, 2, 3, 4, 5, 1, 2, 3]
    assert drafter.draft(ids)[:1] == [4]
    for _ in range(30):
        drafter.observe(1, 0)
    assert sum(len(drafter.draft(ids)) for _ in range(64)) == 4
    for _ in range(30):
        drafter.observe(1, 1)
    assert len(drafter.draft(ids)) >= 3


def test_a_prefix_that_cannot_be_kept_harms_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(prefixes=True)

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(bench.decoder.cache, "read", fail)
    _, events = bench.submit("a")
    bench.finish()
    assert isinstance(events.end, Completion)
    assert bench.scheduler.steps is None


def test_a_known_prefix_is_loaded_and_what_was_computed_is_kept_also_when_cancelled() -> None:
    bench = Bench(prefixes=True)
    first, _ = bench.submit("x" * 300, max_tokens=40)
    bench.step(3)
    bench.scheduler.cancel(first)
    bench.step()
    _, events = bench.submit("x" * 300 + "y")
    bench.finish()
    assert isinstance(events.end, Completion)
    assert events.end.usage.cached_tokens == 301  # the turn's opening and its letters


def test_a_prompt_that_begins_as_one_in_progress_computes_only_the_rest() -> None:
    """It waits for the older one's chunks instead of computing the same ones; the older one goes on."""
    bench = Bench(slots=3, prefixes=True)
    rules = "r" * 600
    first, _ = bench.submit(rules + "a", max_tokens=40)
    bench.step()
    assert bench.decoder.cache.length(first.slot) == PREFILL_CHUNK  # half-way when the others come
    others = [bench.submit(rules + letter, max_tokens=2)[1] for letter in "bc"]
    bench.finish()
    fed = sum(len(slots) * tokens for slots, tokens in bench.decoder.passes if tokens > 1)
    assert fed == (1 + 600 + 2) + 2 * 2
    assert [events.completion.usage.cached_tokens for events in others] == 2 * [1 + 600]
    assert bench.order[-1] == rules + "a"


def test_what_is_taken_from_another_slot_is_what_stands_there() -> None:
    bench = Bench(slots=2, prefixes=True)
    first, _ = bench.submit("abcdef", max_tokens=40)
    bench.step(3)
    cache = bench.decoder.cache
    for array in cache.arrays:
        array[first.slot, 0, :, 0] = np.arange(cache.capacity)
    second, _ = bench.submit("abcxyz", max_tokens=40)
    bench.step()
    assert second.cached_tokens == 4
    for array in cache.arrays:
        assert array[second.slot, 0, :5, 0].tolist() == [0, 1, 2, 3, 0]


@pytest.mark.parametrize("end", ["cancelled", "timeout", "failed", "broken pass"])
def test_a_prompt_that_ends_half_way_keeps_what_was_computed(end: str) -> None:
    bench = Bench(prefixes=True)
    rules = "r" * 600

    def fail() -> None:
        raise ValueError("a broken pass")

    first, _ = bench.submit(rules, max_tokens=4)
    bench.step()
    if end == "broken pass":
        bench.decoder.on_pass = fail
    elif end == "timeout":
        first.request = replace(first.request, deadline=0.0)
    else:
        bench.scheduler.cancel(first, RequestError("internal", "no") if end == "failed" else None)
    bench.step()
    bench.decoder.on_pass = lambda: None
    _, events = bench.submit(rules, max_tokens=4)
    bench.finish()
    assert events.completion.usage.cached_tokens == PREFILL_CHUNK


def test_of_a_reply_that_fails_no_token_is_taken_for_computed() -> None:
    """A pass over a draft that nobody got to check holds keys of other tokens than the reply has."""
    bench = Bench(prefixes=True)
    bench.decoder.choose = lambda ids: ord("b") if ids[-1] == ord("a") else ord("a")
    broken, events = bench.submit("abababab", max_tokens=40, sampling=SamplingParams(0, 0, 1, None))
    bench.step(4)
    assert broken.drafter is not None
    assert broken.drafter.drafted

    def fail(*_: object) -> None:
        raise ValueError("a broken part")

    broken._sample = fail  # type: ignore[assignment] # as a sampler that raises
    bench.step()
    assert isinstance(events.end, Failure)
    _, again = bench.submit("abababab" + "\x03" + "ab" * 20)  # the text of which it is the beginning
    bench.finish()
    assert again.completion.usage.cached_tokens == 1 + 8 + 1


def test_a_prefix_that_begins_as_another_computes_what_is_its_own() -> None:
    bench = Bench(prefixes=True)
    cached = []
    for text in ("r" * 1000 + "a" * 900, "r" * 1000 + "b" * 900, "r" * 1000 + "b" * 900 + "c"):
        _, events = bench.submit(text, max_tokens=0, prefill_only=True)
        bench.finish()
        cached.append(events.completion.usage.cached_tokens)
    assert cached == [0, 1 + 1000, 1 + 1900 - 1]


def test_a_prefill_that_is_cancelled_half_way_is_not_pinned() -> None:
    bench = Bench(prefixes=True)
    for cancelled in (True, False):
        sequence, _ = bench.submit("r" * 600, max_tokens=0, prefill_only=True)
        bench.step()
        if cancelled:
            bench.scheduler.cancel(sequence)
        bench.finish()
        prefixes = bench.scheduler._prefixes
        assert prefixes is not None
        assert [node.pinned for node in prefixes._nodes(prefixes._root) if node.parent] == (
            [False] if cancelled else [True, True]
        )
