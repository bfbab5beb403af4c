"""Runs the client's blocking streams on threads for asyncio, and cancels replies that nobody waits for."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from edge_llm.client import Call, Client, Delta, Done, RequestError, Status
from edge_llm.event_log import EventLog, stack_of
from edge_llm.web.clients import Clients

log = EventLog(__name__)

MOST = 64
"""Maximum number of replies in progress: each has a thread, and a node has less room than that."""
_BUSY_MS = 2000
Frame = Status | Delta | Call | Done
Waited = TypeVar("Waited")


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
            log.error("web.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - a message may quote a prompt
            self._put(RequestError("internal", "the reply failed: the log of edge-llm web says where"))
        finally:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._on_end, self)

    def _put(self, frame: Frame | RequestError) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._frames.put_nowait, frame)


class Replies:
    """All replies in progress."""

    def __init__(self, clients: Clients, timeout_s: float) -> None:
        """Ask by one of ``clients``; it answers within ``timeout_s``, or never."""
        self._clients = clients
        self._timeout_s = timeout_s
        self._in_progress: set[Reply] = set()

    def ask(self, *, documents: bool = False, **fields: Any) -> Reply:
        """Send a request with these fields, of docs/mqtt.md, to the node, or to the documents service.

        Raises:
            RequestError: busy: there are too many already; unavailable: there is no documents service.
        """
        client = self._clients.of(documents=documents)
        if len(self._in_progress) >= MOST:
            raise RequestError("busy", f"{MOST} replies are in progress", retry_after_ms=_BUSY_MS)
        reply = Reply(client, self._timeout_s, fields, self._in_progress.discard)
        self._in_progress.add(reply)
        return reply

    def close(self) -> None:
        """Cancel all."""
        for reply in self._in_progress:
            reply.close()


class ReplyResponse(StreamingResponse):
    """Streams a reply, and cancels it when the caller goes away."""

    def __init__(self, reply: Reply, content: AsyncIterable[bytes], media_type: str) -> None:
        """Send ``content``, which is made of ``reply``."""
        super().__init__(content, media_type=media_type)
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._reply.close()


async def attended(request: Request, reply: Reply, waiting: Coroutine[Any, Any, Waited]) -> Waited:
    """Wait for something of a reply, which is cancelled when the caller goes away.

    Raises:
        ClientDisconnect: the caller has gone away.
        RequestError: the request was refused or failed.
    """
    task, gone = asyncio.ensure_future(waiting), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        if not task.done():
            reply.close()
        task.cancel()
        gone.cancel()
    raise ClientDisconnect


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
