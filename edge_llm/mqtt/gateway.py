"""Between the broker and a backend: admits requests, cancels them, and sends their frames in order.

The network thread parses and submits; the backend reports into a ``Reply``; the publisher thread sends.
Knows nothing of models, nor of the backend's threads.
"""

import logging
import re
from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import Any, Literal, Protocol
from uuid import uuid4

from edge_llm.config import ID_PATTERN
from edge_llm.errors import RequestError
from edge_llm.mqtt.client import Connection
from edge_llm.mqtt.contract import (
    EVERYTHING,
    RETRYABLE,
    TERMINAL,
    Delta,
    Done,
    Error,
    Frame,
    Inbound,
    Request,
    Sessions,
    Status,
    Topics,
    parse_cancel,
    parse_prepare,
    parse_request,
    parse_request_id,
    parse_session,
)

log = logging.getLogger(__name__)

COALESCE_S = 0.05
COALESCE_CHARACTERS = 24
"""After the first, a delta waits for this much time or text, whichever comes first."""

_PARSERS: dict[str, Callable[[bytes], Inbound]] = {
    "request": parse_request,
    "prepare": parse_prepare,
    "session": parse_session,
}


class Reply:
    """The way back of one request: any thread may report into it, the publisher empties it."""

    def __init__(self, client: str, request: Inbound, changed: Condition) -> None:
        """Begin without frames; ``changed`` guards what varies, and wakes the publisher."""
        self.client = client
        self.request = request
        self.cancel: Callable[[], None] = lambda: None
        self._changed = changed
        self._seq = 0
        self._status: dict[str, Any] = {}
        self._last_status: dict[str, Any] = {}
        self._text: list[str] = []
        self._characters = 0
        self._delta_sent: float | None = None
        self._terminal: Callable[..., Frame] | None = None

    def status(self, state: Literal["queued", "prefill"], **detail: int) -> None:
        """Report how far the request is; only the latest state is of interest."""
        with self._changed:
            self._status = self._last_status = {"state": state, **detail}
            self._changed.notify()

    def repeat_status(self) -> None:
        """Say again how far the request is."""
        with self._changed:
            self._status = self._last_status
            self._changed.notify()

    def delta(self, text: str) -> None:
        """Report more of the reply's text."""
        with self._changed:
            self._text.append(text)
            self._characters += len(text)
            # Otherwise the publisher comes by within COALESCE_S: it is not woken for every token.
            if self._delta_sent is None or self._characters >= COALESCE_CHARACTERS:
                self._changed.notify()

    def done(self, **fields: Any) -> None:
        """End the reply, which is whole, with the fields of contract.Done."""
        self._end(lambda **header: Done(**header, **fields))

    def error(self, code: str, message: str, *, text: str = "", retry_after_ms: int | None = None) -> None:
        """End the reply short of being whole."""
        self._end(
            lambda **header: Error(
                **header,
                code=code,
                message=message,
                retryable=code in RETRYABLE,
                retry_after_ms=retry_after_ms,
                text=text,
            )
        )

    def answer(self, **fields: Any) -> None:
        """End the reply to a SessionCommand with the fields of contract.Sessions."""
        self._end(lambda **header: Sessions(**header, **fields))

    def _end(self, terminal: Callable[..., Frame]) -> None:
        with self._changed:
            self._terminal = terminal
            self._changed.notify()

    def take(self, node: str, *, connected: bool) -> list[Frame]:
        """The frames that are due now, in order; called with ``changed`` held.

        Without a connection text gathers here, and only the terminal frame is handed out.
        """
        frames: list[Frame] = []
        if connected and getattr(self.request, "stream", True):
            if self._status:
                frames.append(Status(**self._header(node), **self._status))
                self._status = {}
            if self._text and self._delta_is_due():
                frames.append(Delta(**self._header(node), text="".join(self._text)))
                self._text.clear()
                self._characters = 0
                self._delta_sent = monotonic()
        if self._terminal:
            frames.append(self._terminal(**self._header(node)))
        return frames

    def _delta_is_due(self) -> bool:
        return (
            self._delta_sent is None
            or self._terminal is not None
            or self._characters >= COALESCE_CHARACTERS
            or monotonic() >= self._delta_sent + COALESCE_S
        )

    def _header(self, node: str) -> dict[str, Any]:
        seq, self._seq = self._seq, self._seq + 1
        request = self.request
        return {
            "id": request.id,
            "node": node,
            "seq": seq,
            "session": request.session,
            "custom": request.custom,
        }


class Backend(Protocol):
    """What answers requests."""

    def submit(self, request: Inbound, reply: Reply) -> None:
        """Take a request without blocking, set ``reply.cancel``, and end ``reply`` sooner or later.

        Raises:
            RequestError: it cannot be taken.
        """
        ...


class Gateway:
    """Every reply in flight, by client and id."""

    def __init__(self, topics: Topics, backend: Backend) -> None:
        """Serve the node of ``topics`` from ``backend``."""
        self._topics = topics
        self._backend = backend
        self._changed = Condition()
        self._replies: dict[tuple[str, str], Reply] = {}
        self._stopping = False

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001 - paho's message, unpacked
        """Take one message from the broker; the network thread's only work."""
        kind, client = self._topics.parse(topic)
        if retained or not re.match(ID_PATTERN, client):
            log.warning("gateway.ignored kind=%s retained=%s", kind, retained)
            return
        try:
            if kind == "cancel":
                self._cancel(client, parse_cancel(payload))
            else:
                self._request(client, payload, _PARSERS[kind])
        except RequestError as error:
            log.info("gateway.refused kind=%s client=%s code=%s", kind, client, error.code)
        except Exception as error:  # noqa: BLE001 - nothing that arrives may end the network thread
            # The type alone: messages of errors may quote the prompt.
            log.error("gateway.failed kind=%s client=%s error=%s", kind, client, type(error).__name__)  # noqa: TRY400

    def _request(self, client: str, payload: bytes, parse: Callable[[bytes], Inbound]) -> None:
        try:
            request = parse(payload)
        except RequestError as error:
            refused = Reply(client, Request(id=parse_request_id(payload), text=""), self._changed)
            # Under a key of its own: a good request with the same id may be in flight.
            self._add(uuid4().hex, refused).error(error.code, str(error))
            raise
        in_flight = self._replies.get((client, request.id))
        if in_flight:  # the broker or the client sent it again: it is being answered
            in_flight.repeat_status()
            return
        reply = self._add(request.id, Reply(client, request, self._changed))
        try:
            self._backend.submit(request, reply)
        except RequestError as error:
            reply.error(error.code, str(error), retry_after_ms=error.retry_after_ms)
            raise
        except Exception:
            reply.error("internal", "the node failed on this request; see its log")
            raise
        log.info("request.accepted client=%s id=%s", client, request.id)

    def _add(self, key: str, reply: Reply) -> Reply:
        with self._changed:
            self._replies[reply.client, key] = reply
        return reply

    def _cancel(self, client: str, wanted: str) -> None:
        with self._changed:
            replies = [
                reply
                for (asker, its_id), reply in self._replies.items()
                if asker == client and wanted in (its_id, EVERYTHING)
            ]
        for reply in replies:
            reply.cancel()

    def stop(self) -> None:
        """Make ``publish`` return once every reply has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def publish(self, connection: Connection) -> None:
        """Send what replies have to say until ``stop``; the body of the publisher thread."""
        while True:
            with self._changed:
                due = [
                    (key, frame)
                    for key, reply in self._replies.items()
                    for frame in reply.take(self._topics.node, connected=connection.ready)
                ]
                for key, frame in due:
                    if isinstance(frame, TERMINAL):
                        del self._replies[key]
                if not due:
                    if self._stopping and not self._replies:
                        return
                    self._changed.wait(COALESCE_S if self._replies else None)
                    continue
            for (client, _), frame in due:
                self._send(connection, client, frame)

    def _send(self, connection: Connection, client: str, frame: Frame) -> None:
        payload = frame.encode()
        connection.publish(self._topics.stream(client), payload)
        if isinstance(frame, TERMINAL):
            connection.publish(self._topics.reply(client), payload)
            log.info("request.ended client=%s id=%s type=%s", client, frame.id, frame.type)
