"""Between the broker and a backend: admits requests, cancels them, and sends their frames in order.

The network thread parses and submits; the backend reports into a ``Reply``; the publisher thread sends.
Knows nothing of models, nor of the backend's threads.
"""

from time import monotonic, time
from typing import Protocol
from uuid import uuid4

from edge_llm.config import MqttSettings
from edge_llm.contract.frames import TERMINAL, Done, Error, Frame
from edge_llm.contract.requests import (
    Inbound,
    Request,
    SessionCommand,
    digest,
    parse,
    parse_cancel,
    parse_request_id,
)
from edge_llm.contract.topics import Topics
from edge_llm.errors import RequestError
from edge_llm.event_log import EventLog, RateLimitedLog
from edge_llm.gateway.in_flight import InFlight, Key
from edge_llm.gateway.rate_limit import RateLimiter
from edge_llm.gateway.reply import COALESCE_S, Reply
from edge_llm.gateway.reply_to import ReplyTo
from edge_llm.gateway.request_log import ALIVE_EVERY_S, RequestLog, RequestRecord
from edge_llm.gateway.routes import RoutedTopic, Routes
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message, OnSent

log = EventLog(__name__)

_MAX_REPLIES = 512
"""Replies and refusals that may wait to be sent before what came at QoS 0, promised nothing, is dropped."""
_DELTA_EXPIRY_S = 60
"""A delta that a client could not fetch for so long is worth nothing: the terminal frame has it all."""


class Backend(Protocol):
    """What answers requests."""

    def submit(self, request: Inbound, reply: Reply) -> None:
        """Take a request without blocking, set ``reply.cancel``, and end ``reply`` sooner or later.

        Raises:
            RequestError: it cannot be taken.
        """
        ...


class Gateway:
    """Takes what clients ask of a node, and gives them what its backend replies."""

    def __init__(
        self,
        settings: MqttSettings,
        topics: Topics,
        routes: Routes,
        backend: Backend,
        ledger: RequestLog,
        capacity: int,
    ) -> None:
        """Serve ``topics`` and ``routes`` from ``backend``, which holds ``capacity`` requests at a time."""
        self._settings = settings
        self._topics = topics
        self._routes = routes
        self._backend = backend
        self._ledger = ledger
        self._limiter = RateLimiter(settings.requests_per_minute)
        self._capacity = capacity
        self._client_limit = max(1, capacity // 2)
        self._replies = InFlight()
        self._changed = self._replies.changed
        self._accepted: list[Reply] = []
        self._in_pool = False
        self._backlog_s = 0.0
        self._marker = uuid4().hex.encode()
        self._stopping = False
        self._refusals = RateLimitedLog(log)
        self.rejected_total = 0
        self.connection: Connection
        """Set by who makes both, before either starts."""

    def on_connected(self, session_present: bool) -> None:  # noqa: FBT001 - what Connection gives
        """Find out how long the broker may have kept what it sends now, without saying since when."""
        last = self._ledger.last_alive
        self._backlog_s = time() - last if session_present and last else 0.0

    def on_ready(self) -> None:
        """Mark the end of what the broker has kept, and join the pool; runs after each connection."""
        # The broker hands messages out in order, so whatever comes after this one was published after it.
        self.connection.publish(self._topics.cancel(self._topics.node), self._marker)
        self._in_pool = False
        self._join_or_leave_pool()

    def on_message(self, message: Message) -> None:
        """Take one message from the broker; the network thread's only work."""
        routed = self._routes.find(message.topic)
        found = ("request", routed.route.client) if routed else self._topics.parse(message.topic)
        if message.retained or found is None:
            self._refusals.info("gateway.ignored", retained=message.retained)
            self.connection.acknowledge(message)
            return
        kind, client = found
        try:
            if kind == "cancel":
                self.connection.acknowledge(message)
                if message.payload == self._marker:
                    self._backlog_s = 0.0
                for reply in self._replies.asked(client, parse_cancel(message.payload)):
                    reply.cancel()
            else:
                self._receive(kind, client, message, routed)
        except RequestError as error:
            self.rejected_total += 1
            self._refusals.info("gateway.refused", kind=kind, client=client, code=error.code)
        except Exception as error:  # noqa: BLE001 - nothing that arrives may end the network thread
            # The type alone: messages of errors may quote the prompt.
            log.error("gateway.failed", kind=kind, client=client, error=type(error).__name__)  # noqa: TRY400
            self.connection.acknowledge(message)

    def _receive(self, kind: str, client: str, message: Message, routed: RoutedTopic | None) -> None:
        """Answer a message with a refusal, with an old reply, or with a new one that is going to be made."""
        limit = self._settings.request_bytes
        target = None
        try:
            target = ReplyTo.of(message, routed, self._settings.response_topics)
            request = parse(kind, message.payload, limit)
            if routed and isinstance(request, Request):
                request = routed.complete(request)
        except RequestError as error:
            nameless = Request(id=parse_request_id(message.payload, limit), text="")
            self._refuse(Reply(client, nameless, self._changed, message, target), error)
            raise
        if isinstance(request, SessionCommand):  # not made but looked up, and the same as often as it comes
            self._submit(Reply(client, request, self._changed, message, target))
            return
        asked = digest(kind, request)
        if message.duplicate and "id" not in request.model_fields_set:
            before = self._ledger.find_again(client, asked, message.packet_id)
            request = request.model_copy(update={"id": before.id}) if before else request
        entry = self._ledger.find(client, request.id)
        in_flight = self._replies.find(client, request.id)
        try:
            _check_same(entry, asked)
            if in_flight:
                in_flight.repeat(message)
            elif entry and entry.terminal:
                reply = Reply(client, request, self._changed, message, target)
                self._replies.add(reply)
                reply.replay(entry.terminal)
            else:
                # Without an expiry nobody knows when it was published: it is as old as it can be.
                age_s = self._backlog_s if message.expiry_s is None else 0.0
                entry = entry or RequestRecord(request.id, asked, message.packet_id, time() - age_s)
                self._admit(client, request, message, target, entry)
        except RequestError as error:
            self._refuse(Reply(client, request, self._changed, message, target), error)
            raise

    def _admit(
        self, client: str, request: Inbound, message: Message, target: ReplyTo | None, entry: RequestRecord
    ) -> None:
        """Hand a new request to the backend.

        Raises:
            RequestError: it came too late, or there is too much of this client or of all.
        """
        ttl_s = getattr(request, "ttl_s", None) or self._settings.ttl_s
        left_s = min(ttl_s - (time() - entry.arrived), message.expiry_s or ttl_s)
        if left_s <= 0:
            raise RequestError("expired", "the request is older than its ttl_s: it was not begun")
        if not message.duplicate:  # what the broker repeats was counted when it came first
            self._check_share(client)
        reply = Reply(client, request, self._changed, message, target, entry, monotonic() + left_s)
        self._ledger.keep(client, entry)  # first: the reply may have ended when the backend returns
        try:
            self._submit(reply, request.id)
        except Exception:
            self._ledger.withdraw(client, request.id)
            raise
        with self._changed:
            self._accepted.append(reply)
        self._join_or_leave_pool()
        log.info("request.accepted", client=client, id=request.id)

    def _check_share(self, client: str) -> None:
        """Count a request of ``client``.

        Raises:
            RequestError: there are too many of it.
        """
        self._limiter.take(client)
        held = self._replies.admitted(client)
        if held >= self._client_limit:
            raise RequestError("busy", f"{held} requests of yours are here already", retry_after_ms=2000)

    def _submit(self, reply: Reply, request_id: str | None = None) -> None:
        """Give a reply to the backend to be filled.

        Raises:
            RequestError: the backend does not take it; the reply is not in flight.
        """
        key = self._replies.add(reply, request_id)
        try:
            self._backend.submit(reply.request, reply)
        except Exception:
            self._replies.remove(key)
            raise

    def _refuse(self, reply: Reply, error: RequestError) -> None:
        """Answer with an error, under a key of its own: a good request with the same id may be in flight."""
        if len(self._replies) >= _MAX_REPLIES and not reply.qos1:
            self._refusals.info("gateway.dropped", client=reply.client, code=error.code)
            return
        self._replies.add(reply)
        reply.error(error.code, str(error), retry_after_ms=error.retry_after_ms)

    def _join_or_leave_pool(self) -> None:
        """A full node leaves the pool's requests to the others."""
        shared = self._topics.shared
        if shared is None:
            return
        with self._changed:
            wanted = self._replies.admitted() < self._capacity
            changed, self._in_pool = wanted != self._in_pool, wanted
        if changed:
            (self.connection.subscribe if wanted else self.connection.unsubscribe)(shared)

    def stop(self) -> None:
        """Make ``publish`` return once every reply has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def publish(self) -> None:
        """Send what replies have to say until ``stop``; the body of the publisher thread."""
        while True:
            if self.connection.ready:
                self._ledger.alive()
            with self._changed:
                flowing = self.connection.ready and not self.connection.congested
                accepted, self._accepted = self._accepted, []
                due = self._replies.due(self._topics.node, flowing=flowing)
                if not due and not accepted:
                    if self._stopping and not self._replies:
                        return
                    self._changed.wait(COALESCE_S if self._replies else ALIVE_EVERY_S)
                    continue
            for reply in accepted:
                self._ledger.accept(reply.client, reply.request.id)
            for key, reply, frame in due:
                if isinstance(frame, TERMINAL):
                    self._end(key, reply, frame)
                else:
                    self._send(reply, frame, reply.has_subscribers)

    def _end(self, key: Key, reply: Reply, frame: Frame) -> None:
        """Send a terminal frame; when the broker has it, the request is acknowledged."""
        if isinstance(frame, Done) and not frame.replayed:
            frame = frame.model_copy(update={"energy": reply.energy()})
        if isinstance(frame, Error) and frame.code == "unavailable" and reply.qos1:
            # Not acknowledged: the broker hands it out again, and the restarted node answers.
            log.info("request.left_to_restart", client=reply.client, id=frame.id)
            self._replies.remove(key)
            return
        if reply.entry:
            if isinstance(frame, Error) and frame.retryable:
                self._ledger.forget(reply.client, frame.id)
            else:
                # Before anybody sees it: a node that dies now says the same again after its restart.
                self._ledger.finish(reply.client, frame.id, frame.encode())
            log.info("request.ended", client=reply.client, id=frame.id, type=frame.type)
        self._replies.remove(key)
        if reply.target is None:
            self._send(reply, frame, lambda _heard: None)
        self._send(reply, frame, lambda _heard: self.connection.acknowledge(*reply.messages), final=True)
        self._join_or_leave_pool()

    def _send(self, reply: Reply, frame: Frame, on_sent: OnSent, *, final: bool = False) -> None:
        target = reply.target
        ours = self._topics.reply(reply.client) if final else self._topics.stream(reply.client)
        self.connection.publish(
            target.topic if target else ours,
            target.payload(frame) if target else frame.encode(),
            on_sent=on_sent,
            expiry_s=None if final else _DELTA_EXPIRY_S,
            correlation=target.correlation if target else None,
        )


def _check_same(entry: RequestRecord | None, asked: bytes) -> None:
    if entry and entry.digest != asked:
        raise RequestError("id_conflict", "another request of yours has this id")
