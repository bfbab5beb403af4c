"""Asks the node on a thread for asyncio, and cancels what nobody waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import Thread
from typing import Any
from uuid import uuid4

from edge_llm.client import Call, Client, Delta, Done, RequestError, Status
from edge_llm.event_log import EventLog, stack_of

log = EventLog(__name__)

MOST = 16
"""Maximum number of replies in progress: each has a thread."""
Frame = Status | Delta | Call | Done


class _Reply:
    """One reply, whose frames come from a thread."""

    def __init__(
        self, client: Client, timeout_s: float, fields: dict[str, Any], on_end: Callable[[], None]
    ) -> None:
        self._client = client
        self._on_end = on_end
        self._id = uuid4().hex
        self._timeout_s = timeout_s
        self._fields = fields
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[Frame | RequestError] = asyncio.Queue()  # no more than a reply has
        self._ended = self._left = False

    async def frames(self) -> AsyncIterator[Frame]:
        while not self._ended:
            frame = await self._frames.get()
            self._ended = isinstance(frame, Done | RequestError)
            if isinstance(frame, RequestError):
                raise frame
            yield frame

    def close(self) -> None:
        if not self._ended:
            self._left = True
            self._client.cancel(self._id)

    def run(self) -> None:
        try:
            for frame in self._client.stream(
                id=self._id, timeout_s=self._timeout_s, retry=False, **self._fields
            ):
                if self._left:  # it had not been sent when it was cancelled
                    self._client.cancel(self._id)
                self._put(frame)
        except RequestError as error:
            self._put(error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            log.error("voice.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - a message may quote what was said
            self._put(RequestError("internal", "the reply failed"))
        finally:
            self._call(self._on_end)

    def _put(self, frame: Frame | RequestError) -> None:
        self._call(self._frames.put_nowait, frame)

    def _call(self, what: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, *arguments)


class Asker:
    """Asks one node; belongs to one event loop."""

    def __init__(self, client: Client, timeout_s: float) -> None:
        """Ask by ``client``, and wait ``timeout_s`` for each reply."""
        self._client = client
        self._timeout_s = timeout_s
        self._in_progress = 0

    @asynccontextmanager
    async def ask(self, **fields: Any) -> AsyncIterator[AsyncIterator[Frame]]:
        """Send a request; gives its frames, Done last. Who leaves before that cancels it.

        Raises:
            RequestError: busy: there are too many already; and those of ``Client.stream``, of the frames.
        """
        if self._in_progress >= MOST:
            raise RequestError("busy", f"{MOST} replies are in progress")
        self._in_progress += 1
        reply = _Reply(self._client, self._timeout_s, fields, self._ended)
        Thread(target=reply.run, name="reply", daemon=True).start()
        try:
            yield reply.frames()
        finally:
            reply.close()

    def _ended(self) -> None:
        """A thread has ended: until then it counts, also where nobody waits for it."""
        self._in_progress -= 1
