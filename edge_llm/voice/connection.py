"""One caller: reads its events, answers them in order, and cancels what it no longer waits for."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

from wyoming.asr import Transcript
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from edge_llm.voice.answering import Answering, new_conversation
from edge_llm.voice.wire import WireError, read_event, write_event

IDLE_S = 300.0
"""Seconds without a whole event after which a connection, and so its conversation, ends."""
_MOST_AHEAD = 8
"""Maximum number of events that ask for something which a caller may send ahead of the answers."""


class Connection:
    """A caller's connection, and the conversation of transcripts that name none."""

    def __init__(
        self,
        answering: Answering,
        describe: Callable[[], Info],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Serve a caller; ``describe`` says what is served."""
        self._answering = answering
        self._describe = describe
        self._reader = reader
        self._writer = writer
        self._conversation = new_conversation()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        """Events that ask for something, None last; they are at most _MOST_AHEAD."""

    async def run(self) -> None:
        """Answer until the caller goes away, or says nothing for IDLE_S.

        Raises:
            WireError: it breaks the protocol.
            OSError: it has gone, or does not read.
        """
        reading = asyncio.create_task(self._read())
        try:
            while event := await self._next():
                if Describe.is_type(event.type):
                    await write_event(self._writer, self._describe().event())
                elif Ping.is_type(event.type):
                    await write_event(self._writer, Pong(event.data.get("text")).event())
                elif Transcript.is_type(event.type):
                    heard = _transcript(event)
                    if reading.done():
                        break
                    await _while(reading, self._answer(heard))
            if reading.done():
                reading.result()
        finally:
            reading.cancel()

    async def _read(self) -> None:
        try:
            while event := await read_event(self._reader):
                if not any(kind.is_type(event.type) for kind in (Describe, Ping, Transcript)):
                    continue  # of audio and of other services
                if self._events.qsize() >= _MOST_AHEAD:
                    raise WireError("too much is sent before there is an answer")
                self._events.put_nowait(event)
        finally:
            self._events.put_nowait(None)

    async def _next(self) -> Event | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_S):
                return await self._events.get()
        return None

    async def _answer(self, heard: Transcript) -> None:
        async with aclosing(self._answering.events(heard, self._conversation)) as events:
            async for event in events:
                await write_event(self._writer, event)


async def _while(reading: asyncio.Task[None], answer: Coroutine[Any, Any, None]) -> None:
    """Answer as long as the caller is there, who is heard by ``reading``."""
    answering = asyncio.create_task(answer)
    try:
        await asyncio.wait((answering, reading), return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        answering.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await answering


def _transcript(event: Event) -> Transcript:
    """What was heard.

    Raises:
        WireError: its fields are of other types.
    """
    heard = Transcript(event.data.get("text", ""), event.data.get("context"), event.data.get("language"))
    fits = isinstance(heard.text, str) and isinstance(heard.language, str | None)
    if not fits or not isinstance(heard.context, dict | None):
        raise WireError("a transcript has a text, and may have a language and a context")
    return heard
