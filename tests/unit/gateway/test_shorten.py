"""Frames are cut to what the broker takes."""

import json

from hypothesis import given
from hypothesis import strategies as st

from edge_llm.contract.frames import Done, Error, TimingMs, Usage
from edge_llm.gateway.shorten import pieces, shortened


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(6, 100))
def test_pieces_are_the_text_and_each_fits(text: str, room: int) -> None:
    cut = list(pieces(text, room))
    assert "".join(cut) == text
    assert all(len(json.dumps(each, ensure_ascii=False).encode()) - 2 <= room for each in cut)


def test_where_no_character_fits_nothing_is_sent() -> None:
    assert list(pieces("ü", 1)) == []
    assert list(pieces("a", -5)) == []


DONE = Done(
    id="42",
    node="n",
    seq=7,
    session="s",
    custom={"room": "bath"},
    text="x" * 1000,
    finish_reason="stop",
    model="m",
    usage=Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1),
    timing_ms=TimingMs(queue=0, prefill=0, ttft=0, total=0),
    tokens_per_second=1.0,
)


def test_a_reply_that_does_not_fit_is_an_error_under_its_id() -> None:
    error = shortened(DONE, lambda _: True, 1300, 1000)
    assert (error.id, error.seq, error.session, error.custom) == ("42", 7, "s", {"room": "bath"})
    assert (error.code, error.retryable, error.text) == ("too_large", False, "")
    assert "1300 bytes" in error.message
    assert "packets of 1000 bytes" in error.message
    assert "max_packet_size" in error.message


def test_what_the_client_added_is_left_out_where_it_does_not_fit_either() -> None:
    error = shortened(DONE, lambda frame: frame.custom is None, 1300, None)
    assert (error.session, error.custom) == (None, None)


def test_an_error_stays_what_it_is_without_what_was_said_so_far() -> None:
    timeout = Error(id="1", node="n", seq=3, code="timeout", message="late", retryable=False, text="x" * 1000)
    error = shortened(timeout, lambda frame: len(frame.encode()) < 200, 1100, 200)
    assert (error.code, error.message, error.text) == ("timeout", "late", "")
