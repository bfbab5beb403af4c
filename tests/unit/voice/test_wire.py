"""What a peer may send."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wyoming.event import Event

from edge_llm.voice.wire import MAX_LINE, WireError, read_event

FIELDS = ("type", "data", "data_length", "payload_length", "version")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def read(sent: bytes, *, ends: bool = True) -> Event | None:
    async def reading() -> Event | None:
        reader = asyncio.StreamReader(limit=MAX_LINE)
        reader.feed_data(sent)
        if ends:
            reader.feed_eof()
        return await asyncio.wait_for(read_event(reader), 60)

    return asyncio.run(reading())


def line(**header: object) -> bytes:
    return json.dumps(header).encode() + b"\n"


def test_an_event_with_data_behind_its_line_and_audio() -> None:
    data = b'{"text": "lights on"}'
    event = read(
        line(type="transcript", data={"language": "en"}, data_length=len(data), payload_length=3)
        + data
        + b"abc"
    )
    assert event
    assert (event.type, event.data) == ("transcript", {"language": "en", "text": "lights on"})
    assert event.payload is None


@pytest.mark.parametrize(
    "sent",
    [b"", b'{"type": "describe"', line(type="x", data_length=9) + b"{}", line(type="x", payload_length=9)],
)
def test_a_peer_that_goes_away(sent: bytes) -> None:
    assert read(sent) is None


@settings(max_examples=40)
@given(st.binary(max_size=60), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_whatever_comes_is_an_event_or_refused(rest: bytes, header: dict[str, Any]) -> None:
    with suppress(WireError):
        event = read(line(**header) + rest)
        assert event is None or isinstance(event.data, dict)


@pytest.mark.parametrize(
    "sent",
    [
        b"x" * (MAX_LINE + 1),
        b"GET / HTTP/1.1\r\n",
        b"[" * 60_000 + b"\n",
        b'{"type": "transcript", "data": {"text": "\\ud800"}}\n',
        line(type=1),
        line(type="x", data=[1]),
        line(type="x", data_length=2**40),
        line(type="x", data_length=-1),
        line(type="x", data_length="9"),
        line(type="audio-chunk", payload_length=2**31),
        line(type="x", data_length=2) + b"[]",
        b"1\n",
        b"\xff\xfe\n",
    ],
)
def test_what_is_no_event_or_too_much(sent: bytes) -> None:
    """It is refused before memory is taken for it: nothing more has to come."""
    with pytest.raises(WireError):
        read(sent, ends=False)
