"""Makes frames fit what the broker takes: a delta in pieces, a terminal frame as an error that says so."""

from collections.abc import Callable, Iterator

from edge_llm.contract.frames import Error, Terminal

_ESCAPED_BYTES = 6
"""Bytes of a character that JSON escapes, at most."""


def pieces(text: str, room: int) -> Iterator[str]:
    """Cut a text into pieces of at most ``room`` bytes in JSON; none where not even one character fits."""
    if len(text) * _ESCAPED_BYTES <= room:
        yield text
        return
    begin = used = 0
    for position, character in enumerate(text):
        size = _json_bytes(character)
        if size > room:
            return
        if used + size > room:
            yield text[begin:position]
            begin, used = position, 0
        used += size
    yield text[begin:]


def _json_bytes(character: str) -> int:
    if character < " " or character in '"\\\x7f':
        return _ESCAPED_BYTES
    return len(character.encode(errors="surrogatepass"))


def shortened(
    terminal: Terminal, fits: Callable[[Terminal], bool], frame_bytes: int, limit: int | None
) -> Error:
    """Make the error in place of a terminal frame of ``frame_bytes``: the first that fits, or the shortest.

    An error stays what it is, without what was said so far. ``limit`` is the largest packet, if it is known.
    """
    if isinstance(terminal, Error):
        short = terminal.model_copy(update={"text": ""})
    else:
        takes = f"takes packets of {limit} bytes" if limit else "does not take it"
        short = Error(
            id=terminal.id,
            node=terminal.node,
            seq=terminal.seq,
            session=terminal.session,
            custom=terminal.custom,
            code="too_large",
            message=f"the answer has {frame_bytes} bytes, and the broker {takes}: raise its limit (mosquitto:"
            " max_packet_size, message_size_limit), or ask for fewer max_tokens",
            retryable=False,
        )
    if fits(short):
        return short
    return short.model_copy(update={"session": None, "custom": None})
