"""The radix tree against a plain dictionary of what was stored, and its budget."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_llm.bundle import KvGeometry
from edge_llm.engine.drafter import Drafter
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.prefix_cache import PrefixCache, _common

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
    assert prefixes.bytes == len(distinct) * BYTES_A_TOKEN


@settings(max_examples=200)
@given(texts, st.integers(0, 30))
def test_the_budget_holds(stored: list[list[int]], tokens: int) -> None:
    cache = KVCache(GEOMETRY, slots=1, capacity=16)
    prefixes = PrefixCache(cache, tokens * BYTES_A_TOKEN)
    for number, ids in enumerate(stored):
        fill(cache, ids)
        prefixes.store(0, ids, pinned=number % 3 == 0)
        assert prefixes.bytes <= tokens * BYTES_A_TOKEN


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
