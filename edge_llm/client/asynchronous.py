"""Runs a client's blocking stream on a thread for asyncio, and cancels a reply that nobody waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from threading import Thread
from typing import Any
from uuid import uuid4

from edge_llm.client.client import Client
from edge_llm.contract.frames import Call, Delta, Done, Status
from edge_llm.errors import RequestError
from edge_llm.event_log import EventLog, stack_of

log = EventLog(__name__)

Frame = Status | Delta | Call | Done


class Reply:
    """One reply: frames come from a thread; belongs to the event loop that has made it."""

    def __init__(
        self, client: Client, timeout_s: float, fields: dict[str, Any], on_end: Callable[["Reply"], None]
    ) -> None:
        """Ask; ``on_end`` gets it, on the loop, when the thread has ended."""
        self.id = uuid4().hex
        self._client = client
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[Frame | RequestError] = asyncio.Queue()  # no more than a reply has
        self._ended = self._left = False
        Thread(target=self._run, args=(timeout_s, fields), name="reply", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[Frame]:
        """Yield the frames that are left, Done last.

        Raises:
            RequestError: the request was refused or failed.
        """
        while not self._ended:
            yield await self.next()

    async def next(self) -> Frame:
        """Wait for the next frame.

        Raises:
            RequestError: the request was refused or failed.
        """
        frame = await self._frames.get()
        self._ended = isinstance(frame, Done | RequestError)
        if isinstance(frame, RequestError):
            raise frame
        return frame

    async def begun(self) -> Delta | Call | Done:
        """Wait for the first frame with something of the reply: from here on it is no longer refused.

        Raises:
            RequestError: the request was refused or failed.
        """
        while isinstance(frame := await self.next(), Status):
            pass
        return frame

    async def done(self) -> Done:
        """Wait for the whole reply.

        Raises:
            RequestError: the request was refused or failed.
        """
        while not isinstance(frame := await self.next(), Done):
            pass
        return frame

    def close(self) -> None:
        """Cancel it on the node, unless it has ended."""
        if not self._ended and not self._left:
            self._left = True
            self._client.cancel(self.id)

    def _run(self, timeout_s: float, fields: dict[str, Any]) -> None:
        try:
            for frame in self._client.stream(id=self.id, timeout_s=timeout_s, retry=False, **fields):
                if self._left:  # it had not been sent when it was cancelled
                    self._client.cancel(self.id)
                self._put(frame)
        except RequestError as error:
            self._put(error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            log.error("reply.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - a message may quote a prompt
            self._put(
                RequestError("internal", "the reply failed: the log of the program that asked says where")
            )
        finally:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._on_end, self)

    def _put(self, frame: Frame | RequestError) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._frames.put_nowait, frame)
