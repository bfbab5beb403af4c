"""Collects a request's frames from any thread; the publisher drains them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Condition
from time import monotonic

from pydantic import ValidationError

from edge_llm.contract.frames import (
    FRAMES,
    Call,
    Delta,
    Done,
    Error,
    Frame,
    Header,
    State,
    Status,
    Terminal,
)
from edge_llm.contract.requests import Inbound
from edge_llm.contract.tools import ToolCall
from edge_llm.errors import RETRYABLE, Code
from edge_llm.gateway.reply_to import ReplyTo
from edge_llm.gateway.request_log import RequestRecord
from edge_llm.gateway.shorten import pieces
from edge_llm.mqtt.message import Message

COALESCE_S = 0.05
COALESCE_CHARACTERS = 24
"""Minimum characters of a delta after the first, unless COALESCE_S has passed since the last."""
STATUS_EVERY_S = 5.0
"""Seconds without a frame after which the status is sent again."""


Room = Callable[["Reply"], int | None]
"""The largest payload of a reply's frames in bytes; None where there is no limit."""
_SEQ_BYTES = 8
"""Bytes that the number of a frame may grow by."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One message that asks something, read: its kind of topic, its client, and where the answer goes."""

    kind: str
    client: str
    request: Inbound
    message: Message
    reply_to: ReplyTo | None = None


@dataclass(frozen=True, slots=True)
class _Stage:
    state: State
    position: int | None = None
    prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    index: int
    call: ToolCall


def unlimited(_reply: "Reply") -> None:
    """Set no limit (None) to the payload's size."""


class Reply:
    """The frames of one request, numbered as they are drained.

    ``messages`` are acknowledged to the broker at the end: the request, and each time that it came again.
    """

    def __init__(
        self,
        node: str,
        asked: Asked,
        changed: Condition,
        record: RequestRecord | None = None,
        expires_at: float | None = None,
    ) -> None:
        """Begin without frames; ``changed`` guards what varies, and wakes the publisher.

        ``record`` is the request log's, of a request that is admitted; ``expires_at`` is the time.monotonic()
        instant after which it is not begun.
        """
        self.asked = asked
        self.record = record
        self.expires_at = expires_at
        self.messages = [asked.message]
        self.streams = (
            asked.reply_to.every_frame if asked.reply_to else getattr(asked.request, "stream", False)
        )
        self._node = node
        self._changed = changed
        self._seq = 0
        self._stages: list[_Stage] = []
        self._last_stage: _Stage | None = None
        self._said: list[str | _Call] = []
        """Text and calls that are not sent yet, in order."""
        self._characters = 0
        self._delta_sent: float | None = None
        self._sent = monotonic()
        self._terminal: Terminal | None = None
        self.told = False
        """Whether ``unavailable`` is what the client is told, and not that the next process will answer."""

    @property
    def qos1(self) -> bool:
        """Whether the broker keeps the request until it is acknowledged."""
        return any(message.qos1 for message in self.messages)

    def status(self, state: State, *, position: int | None = None, prompt_tokens: int | None = None) -> None:
        """Report how far the request is."""
        with self._changed:
            self._enter(_Stage(state, position, prompt_tokens))
            self._changed.notify()

    def repeat(self, message: Message) -> None:
        """Take in that the request came once more, and say again how far it is."""
        with self._changed:
            self.messages.append(message)
            if self._last_stage:
                self._stages.append(self._last_stage)
            self._changed.notify()

    def delta(self, text: str) -> None:
        """Report more of the reply's text."""
        with self._changed:
            self._say(text)
            self._characters += len(text)
            # Otherwise the publisher comes by within COALESCE_S: it is not woken for every token.
            if self._delta_sent is None or self._characters >= COALESCE_CHARACTERS:
                self._changed.notify()

    def call(self, index: int, call: ToolCall) -> None:
        """Report a call that is whole, the reply's ``index``-th from 0."""
        with self._changed:
            self._say(_Call(index, call))
            self._characters = COALESCE_CHARACTERS  # due at once, with the text before it
            self._changed.notify()

    def header(self) -> Header:
        """Fields of the reply's next frame; a terminal frame gets its ``seq`` when it is drained."""
        request = self.asked.request
        return Header(
            id=request.id, node=self._node, seq=self._seq, session=request.session, custom=request.custom
        )

    def end(self, terminal: Terminal, *, told: bool = False) -> None:
        """End the reply; without effect on one that has ended.

        ``unavailable`` at QoS 1 leaves the request to the next process, unless it is to be ``told``.
        """
        with self._changed:
            if self._terminal is None:
                self._terminal, self.told = terminal, told
            self._changed.notify()

    def error(
        self,
        code: Code,
        message: str,
        *,
        text: str = "",
        retry_after_ms: int | None = None,
        told: bool = False,
    ) -> None:
        """End the reply in an error; ``text`` is what was said so far."""
        self.end(
            Error(
                **self.header(),
                code=code,
                message=message,
                retryable=code in RETRYABLE,
                retry_after_ms=retry_after_ms,
                text=text,
            ),
            told=told,
        )

    def broken(self) -> Error:
        """Make the frame that ends a reply whose own frames cannot be made or sent."""
        return Error(
            id=self.asked.request.id,
            node=self._node,
            seq=self._seq,
            code="internal",
            message="the reply cannot be sent; the node's log says more",
            retryable=False,
        )

    def replay(self, terminal: bytes) -> None:
        """End with the terminal frame that the same request had before."""
        try:
            frame = FRAMES.validate_json(terminal)
        except ValidationError:
            frame = None
        if not isinstance(frame, Done | Error):
            # Not answered anew: whoever carries it out may have done so already.
            self.error(
                "internal",
                "it was answered before, and the answer that was kept is damaged: ask under a new id",
            )
            return
        self._seq = frame.seq
        self.end(frame.model_copy(update={"replayed": True}))

    def has_subscribers(self, subscribed: bool) -> None:  # noqa: FBT001 - what OnSent gives
        """Stop the deltas if nobody has subscribed to them."""
        self.streams = self.streams and subscribed

    def drain(self, *, flowing: bool, room: Room = unlimited) -> list[Frame]:
        """Take the frames that are due, in order; called with ``changed`` held.

        Where the way to the client is not ``flowing`` text gathers here, and only the terminal frame is
        handed out. A delta is cut to the ``room`` that there is; a call that does not fit is in Done alone.
        """
        frames: list[Frame] = []
        if flowing and self.streams:
            if not self._stages and self._last_stage and monotonic() >= self._sent + STATUS_EVERY_S:
                self._stages.append(self._last_stage)
            frames.extend(map(self._status, self._stages))
            self._stages.clear()
            if self._said and self._delta_is_due():
                frames.extend(self._deltas_and_calls(room(self)))
                self._said.clear()
                self._characters = 0
                self._delta_sent = monotonic()
        if self._terminal:
            frames.append(self._terminal.model_copy(update={"seq": self._numbered()["seq"]}))
        if frames:
            self._sent = monotonic()
        return frames

    def _say(self, piece: str | _Call) -> None:
        if self._delta_sent is None and not self._said:
            self._enter(_Stage("decode"))
        self._said.append(piece)

    def _enter(self, stage: _Stage) -> None:
        self._last_stage = stage
        self._stages.append(stage)

    def _status(self, stage: _Stage) -> Status:
        return Status(
            **self._numbered(),
            state=stage.state,
            position=stage.position,
            prompt_tokens=stage.prompt_tokens,
        )

    def _deltas_and_calls(self, room: int | None) -> Iterator[Frame]:
        text = ""
        for piece in self._said:
            if isinstance(piece, str):
                text += piece
                continue
            yield from self._deltas(text, room)
            text = ""
            call = Call(**self.header(), index=piece.index, call=piece.call)
            if room is None or len(call.encode()) <= room:
                self._seq += 1
                yield call
        yield from self._deltas(text, room)

    def _deltas(self, text: str, room: int | None) -> Iterator[Delta]:
        if not text:
            return
        if room is not None:
            around = Delta(**self.header(), text="").encode()
            room -= len(around) + _SEQ_BYTES
        for piece in [text] if room is None else pieces(text, room):
            yield Delta(**self._numbered(), text=piece)

    def _numbered(self) -> Header:
        """The next frame's header, counted."""
        header = self.header()
        self._seq += 1
        return header

    def _delta_is_due(self) -> bool:
        return (
            self._delta_sent is None
            or self._terminal is not None
            or self._characters >= COALESCE_CHARACTERS
            or monotonic() >= self._delta_sent + COALESCE_S
        )
