"""The way back of one request: any thread may report into it, the publisher empties it."""

from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import Any, Literal, cast

from edge_llm.contract.frames import (
    FRAMES,
    RETRYABLE,
    Code,
    Delta,
    Done,
    Energy,
    Error,
    Frame,
    Sessions,
    Status,
)
from edge_llm.contract.requests import Inbound
from edge_llm.gateway.reply_to import ReplyTo
from edge_llm.gateway.request_log import RequestRecord
from edge_llm.mqtt.message import Message

COALESCE_S = 0.05
COALESCE_CHARACTERS = 24
"""After the first, a delta waits for this much time or text, whichever comes first."""
STATUS_EVERY_S = 5.0
"""A client that hears nothing for so long is told again how far its request is."""


class Reply:
    """Frames of one request, due when the publisher comes by.

    ``messages`` are what is to be acknowledged to the broker at the end: the request, and each time that
    it came again. ``expires_at`` is the time.monotonic() instant after which it is not begun. ``entry``
    is what the ledger knows of a request that was admitted. ``energy`` is asked for, on the publisher's
    thread, when the reply is whole.
    """

    def __init__(
        self,
        client: str,
        request: Inbound,
        changed: Condition,
        message: Message | None = None,
        target: ReplyTo | None = None,
        entry: RequestRecord | None = None,
        expires_at: float | None = None,
    ) -> None:
        """Begin without frames; ``changed`` guards what varies, and wakes the publisher."""
        self.client = client
        self.request = request
        self.messages = [message] if message else []
        self.target = target
        self.entry = entry
        self.expires_at = expires_at
        self.redelivered = message is not None and message.duplicate
        self.streams = target.every_frame if target else getattr(request, "stream", False)
        self.cancel: Callable[[], None] = lambda: None
        self.energy: Callable[[], Energy | None] = lambda: None
        self._changed = changed
        self._seq = 0
        self._statuses: list[dict[str, Any]] = []
        self._last_status: dict[str, Any] = {}
        self._text: list[str] = []
        self._characters = 0
        self._delta_sent: float | None = None
        self._sent = monotonic()
        self._terminal: Callable[..., Frame] | None = None

    @property
    def qos1(self) -> bool:
        """Whether the broker keeps the request until it is acknowledged."""
        return any(message.qos1 for message in self.messages)

    def status(self, state: Literal["queued", "prefill", "decode"], **detail: int) -> None:
        """Report how far the request is."""
        with self._changed:
            self._last_status = {"state": state, **detail}
            self._statuses.append(self._last_status)
            self._changed.notify()

    def repeat(self, message: Message) -> None:
        """Take in that the request came once more, and say again how far it is."""
        with self._changed:
            self.messages.append(message)
            self._statuses.append(self._last_status)
            self._changed.notify()

    def delta(self, text: str) -> None:
        """Report more of the reply's text."""
        with self._changed:
            if self._delta_sent is None and not self._text:
                self._last_status = {"state": "decode"}
                self._statuses.append(self._last_status)
            self._text.append(text)
            self._characters += len(text)
            # Otherwise the publisher comes by within COALESCE_S: it is not woken for every token.
            if self._delta_sent is None or self._characters >= COALESCE_CHARACTERS:
                self._changed.notify()

    def done(self, **fields: Any) -> None:
        """End the reply, which is whole, with the fields of Done."""
        self._end(lambda **header: Done(**header, **fields))

    def error(self, code: str, message: str, *, text: str = "", retry_after_ms: int | None = None) -> None:
        """End the reply short of being whole."""
        self._end(
            lambda **header: Error(
                **header,
                code=cast(Code, code),
                message=message,
                retryable=code in RETRYABLE,
                retry_after_ms=retry_after_ms,
                text=text,
            )
        )

    def answer(self, **fields: Any) -> None:
        """End the reply to a SessionCommand with the fields of Sessions."""
        self._end(lambda **header: Sessions(**header, **fields))

    def replay(self, terminal: bytes) -> None:
        """End with the terminal frame that the same request had before."""
        self._end(lambda **_: FRAMES.validate_json(terminal).model_copy(update={"replayed": True}))

    def has_subscribers(self, has_subscribers: bool) -> None:  # noqa: FBT001 - what OnSent gives
        """Stop the deltas if nobody has subscribed to them."""
        self.streams = self.streams and has_subscribers

    def _end(self, terminal: Callable[..., Frame]) -> None:
        with self._changed:
            self._terminal = terminal
            self._changed.notify()

    def take(self, node: str, *, flowing: bool) -> list[Frame]:
        """The frames that are due now, in order; called with ``changed`` held.

        Where the way to the client is not ``flowing`` text gathers here, and only the terminal frame is
        handed out.
        """
        frames: list[Frame] = []
        if flowing and self.streams:
            if not self._statuses and monotonic() >= self._sent + STATUS_EVERY_S:
                self._statuses.append(self._last_status)
            frames += [Status(**self._header(node), **status) for status in self._statuses if status]
            self._statuses.clear()
            if self._text and self._delta_is_due():
                frames.append(Delta(**self._header(node), text="".join(self._text)))
                self._text.clear()
                self._characters = 0
                self._delta_sent = monotonic()
        if self._terminal:
            frames.append(self._terminal(**self._header(node)))
        if frames:
            self._sent = monotonic()
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
