"""Asks the node for asyncio, a number of replies at a time; who leaves one cancels it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from edge_llm.client import Client, RequestError
from edge_llm.client.asynchronous import Frame, Reply

MOST = 16
"""Maximum number of replies in progress: each has a thread."""


class Asker:
    """Asks one node; belongs to one event loop."""

    def __init__(self, client: Client, timeout_s: float) -> None:
        """Ask by ``client``, and wait ``timeout_s`` for each reply."""
        self._client = client
        self._timeout_s = timeout_s
        self._in_progress: set[Reply] = set()

    @asynccontextmanager
    async def ask(self, **fields: Any) -> AsyncIterator[AsyncIterator[Frame]]:
        """Send a request; gives its frames, Done last. Who leaves before that cancels it.

        Raises:
            RequestError: busy: there are too many already; and those of ``Client.stream``, of the frames.
        """
        if len(self._in_progress) >= MOST:
            raise RequestError("busy", f"{MOST} replies are in progress")
        # It counts until its thread has ended, also where nobody waits for it.
        reply = Reply(self._client, self._timeout_s, fields, self._in_progress.discard)
        self._in_progress.add(reply)
        try:
            yield aiter(reply)
        finally:
            reply.close()
