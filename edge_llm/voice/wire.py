"""Reads and writes Wyoming events within limits: the package's own reader takes whatever a peer announces.

An event is a line of JSON, then ``data_length`` bytes of JSON, then ``payload_length`` bytes of audio.
"""

import asyncio
import json
from typing import Any

from wyoming.event import Event, async_write_event

MAX_LINE = 65536
"""Maximum size of a line in bytes; what a StreamReader is given as its ``limit``."""
_MAX_DATA = 65536
_MAX_PAYLOAD = 2**20
"""Of audio, which nobody here listens to: it is read and thrown away."""
_PIECE = 65536
_WRITE_S = 10.0
"""Seconds for a peer to take an event."""


class WireError(Exception):
    """A peer that does not keep to the protocol, or to its limits."""


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """Read an event without its payload; None where the peer has gone.

    Raises:
        WireError: this is no event, or too large a one.
    """
    try:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            return None
        header = _object(line)
        kind, data = header.get("type"), header.get("data") or {}
        if not isinstance(kind, str) or not isinstance(data, dict):
            raise WireError("an event has a type and data")
        if length := _length(header, "data_length", _MAX_DATA):
            data |= _object(await reader.readexactly(length))
        left = _length(header, "payload_length", _MAX_PAYLOAD)
        while left:
            left -= len(await reader.readexactly(min(left, _PIECE)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except ValueError as error:  # a line above the limit
        raise WireError("the line is too long") from error
    return Event(kind, data)


async def write_event(writer: asyncio.StreamWriter, event: Event) -> None:
    """Write an event.

    Raises:
        OSError: the peer has gone, or does not read.
    """
    async with asyncio.timeout(_WRITE_S):  # TimeoutError is an OSError
        await async_write_event(event, writer)


def _object(text: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
        json.dumps(parsed, ensure_ascii=False).encode()  # it can be sent back: no half of a surrogate pair
    except (ValueError, RecursionError) as error:
        raise WireError("this is no JSON") from error
    if not isinstance(parsed, dict):
        raise WireError("this is no JSON object")
    return parsed


def _length(header: dict[str, Any], name: str, most: int) -> int:
    length = header.get(name) or 0
    if not isinstance(length, int) or not 0 <= length <= most:
        raise WireError(f"{name} is a number from 0 to {most}")
    return length
