"""All replies in progress of the process, and what becomes of one whose caller goes away."""

import asyncio
from collections.abc import AsyncIterable, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from edge_llm.client import RequestError
from edge_llm.client.asynchronous import Reply
from edge_llm.web.clients import Clients

MOST = 64
"""Maximum number of replies in progress: each has a thread, and a node has less room than that."""
_BUSY_MS = 2000
Waited = TypeVar("Waited")


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
