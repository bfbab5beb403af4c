"""A reply that goes round in circles: what counts as a loop, and what does not."""

from itertools import count, islice

import pytest

from edge_llm.engine.sequence import LOOP_TOKENS, loop_length
from edge_llm.engine.types import GREEDY, SamplingParams
from tests.unit.engine.fakes import Bench

FRUITS = (5, 11, 9, 6, 11, 9, 7, 11, 9, 8, 11, 9)
"""A list whose items have tokens in common, as "1. apple, 2. banana" have."""


def looping(*tokens: int) -> Bench:
    """A model that says ``tokens`` again and again, whatever it is asked."""
    bench = Bench()
    bench.decoder.choose = lambda ids: tokens[(len(ids) - 5) % len(tokens)]
    return bench


@pytest.mark.parametrize("sampling", [GREEDY, SamplingParams(1, 1, 1, 0)], ids=["drafted", "plain"])
@pytest.mark.parametrize("tokens", [(7,), FRUITS, tuple(range(1, 101))], ids=len)
def test_a_loop_that_nothing_stops_ends_as_length_and_says_so(
    sampling: SamplingParams, tokens: tuple[int, ...]
) -> None:
    _, events = (bench := looping(*tokens)).submit("hi", max_tokens=4000, sampling=sampling)
    bench.finish()
    usage = events.completion.usage
    assert events.completion.finish_reason == "length"
    assert LOOP_TOKENS <= usage.completion_tokens < LOOP_TOKENS + 64
    assert usage.loop_tokens == usage.completion_tokens


def test_a_loop_behind_good_text_is_found_too() -> None:
    bench = looping(*FRUITS)
    loop = bench.decoder.choose
    bench.decoder.choose = lambda ids: 20 + len(ids) * len(ids) % 97 if len(ids) < 300 else loop(ids)
    _, events = bench.submit("hi", max_tokens=4000)
    bench.finish()
    assert events.completion.usage.completion_tokens < 300 + LOOP_TOKENS + 64
    assert events.completion.usage.loop_tokens >= LOOP_TOKENS


def test_a_loop_that_max_tokens_ends_is_named_too() -> None:
    _, events = (bench := looping(*FRUITS)).submit("hi", max_tokens=200)
    bench.finish()
    assert (events.completion.finish_reason, events.completion.usage.loop_tokens) == ("length", 200)


def test_a_measurement_goes_on_as_long_as_it_was_told_to() -> None:
    _, events = (bench := looping(7)).submit("hi", max_tokens=2000, ignore_eos=True)
    bench.finish()
    assert events.completion.usage.completion_tokens == 2000


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], 0),
        ([1, 2] * 20, 0),  # ha ha ha
        ([1, 2] * 32, 64),
        (list(range(30)) * 3, 0),  # a verse with its refrain
        (list(range(30)) * 4, 120),
        (list(range(100, 200)) + [1, 2, 3] * 50, 150),
        ([1, 2, 3] * 50 + [9], 0),  # it came out of it
        ([token for number in range(200) for token in (500 + number, 11, 9)], 0),  # a numbered list
    ],
)
def test_a_loop_is_the_same_tokens_four_times_and_64_at_least(ids: list[int], expected: int) -> None:
    assert loop_length(ids) == expected


def test_a_long_list_is_no_loop() -> None:
    bench = Bench()
    items = count(200)
    numbered = list(islice((token for number in items for token in (number % 128, number // 128, 9)), 4000))
    bench.decoder.choose = lambda ids: 1 + numbered[len(ids)] % 126
    _, events = bench.submit("hi", max_tokens=3000)
    bench.finish()
    assert events.completion.usage.completion_tokens == 3000
    assert events.completion.usage.loop_tokens == 0
