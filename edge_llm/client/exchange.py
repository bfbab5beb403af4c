"""Sends requests to one node or to a pool, and hands back the frames of each; knows nothing of their text."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from queue import Empty, SimpleQueue
from threading import Condition
from time import monotonic, sleep
from uuid import uuid4

from pydantic import ValidationError

from edge_llm.config import MqttSettings
from edge_llm.contract.frames import FRAMES, AnyFrame, Call, Delta, Done, Error, Sessions, Status
from edge_llm.contract.requests import EVERYTHING, Prefill, Request, SessionCommand
from edge_llm.contract.topics import ONLINE, Topics
from edge_llm.errors import Code, RequestError
from edge_llm.event_log import EventLog
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message, Outcome
from edge_llm.mqtt.subscriptions import Subscription

log = EventLog(__name__)

CONNECT_S = 10.0
ONLINE_S = 5.0
_RETRY_S = 1.0
"""Seconds before a retryable error is tried again, unless the node names a time."""

_INFO_S = 1.0
"""Seconds to wait, once, for the limits of a node that is online."""
_ALWAYS_TAKEN_BYTES = 256
"""A request of this size is within every node's ``mqtt.request_bytes``."""


class _Pending:
    """A request that waits for its terminal frame; None among its frames means: send it again."""

    def __init__(self) -> None:
        self.frames: SimpleQueue[AnyFrame | None] = SimpleQueue()
        self.node: str | None = None
        self.cancelled = False


class Exchange:
    """A connection to the broker, and the requests in progress; for any thread.

    A request is sent again under its id when the broker or the node was away, and when it was refused for a
    reason that may pass.
    """

    def __init__(self, settings: MqttSettings, topics: Topics, name: str, whom: str) -> None:
        """Prepare a connection as ``name`` to the node or pool of ``topics``; ``whom`` names it in errors."""
        self._settings = settings
        self._name = name
        self._whom = whom
        self._pool = topics.pool
        self._online: set[str] = set()
        self._limits: dict[str, int] = {}
        self._strangers: set[str] = set()
        """Nodes whose info says that they are not in the pool: of others, and `edge-llm documents`."""
        self._info_is_late = False
        self._info_topic = topics.info
        self._pending: dict[str, _Pending] = {}
        self._changed = Condition()
        self._connection = Connection(
            settings,
            client_id=f"edge_llm-client-{name}-{uuid4().hex[:8]}",
            subscriptions={
                topics.stream(name): Subscription(self._on_frame),
                topics.state: Subscription(self._on_state),
                # Later: a broker that does not let this client read it must not keep it from asking.
                topics.info: Subscription(self._on_info, on_demand=True),
            },
            on_ready=self._on_ready,
        )

    def start(self) -> None:
        """Start to connect."""
        self._connection.start()

    def stop(self) -> None:
        """Disconnect; what still waits for a reply ends in ``unavailable``."""
        self._connection.stop()
        with self._changed:
            for request_id, pending in self._pending.items():
                pending.frames.put(_failed(request_id, "unavailable", "the client has been closed"))

    def topics_of(self, node: str) -> Topics:
        """Return the topics of one node."""
        return Topics(self._settings.base_topic, node)

    def is_online(self, node: str | None) -> bool:
        """Tell whether a node's state says ``online``."""
        return node in self._online

    def wait_online(self, timeout_s: float = ONLINE_S) -> None:
        """Wait until the node's retained state, or that of one of the pool's nodes, says ``online``.

        Raises:
            RequestError: the broker cannot be reached, or no such state came, each within ``timeout_s``.
        """
        where = f"{self._settings.host}:{self._settings.port}"
        if not self._connection.wait_ready(min(timeout_s, CONNECT_S)):
            why = self._connection.failure or "no answer"
            raise RequestError(
                "unavailable", f"no MQTT broker at {where} ({why}): start one, or set mqtt.host"
            )
        with self._changed:
            found = self._changed.wait_for(self._members, min(timeout_s, ONLINE_S))
            if found and self._pool is not None:
                self._wait_for_infos()  # which say whether it is a node of this pool
                found = self._changed.wait_for(self._members, min(timeout_s, ONLINE_S))
            if not found:
                raise RequestError(
                    "unavailable",
                    f"{self._whom} is not online at {where}: is `edge-llm serve` running there?",
                )

    def cancel(self, request_id: str) -> None:
        """End a request of this client, or with ``*`` all of them."""
        with self._changed:
            pending = self._pending.get(request_id)
            for each in self._pending.values() if request_id == EVERYTHING else (pending,) if pending else ():
                each.cancelled = True
            nodes = [pending.node] if pending and pending.node else sorted(self._members())
        for node in nodes:
            self._connection.publish(self.topics_of(node).cancel(self._name), request_id.encode())

    def frames(
        self,
        request: Request | Prefill | SessionCommand,
        topic: Callable[[], str],
        timeout_s: float,
        *,
        retry: bool = True,
        begin_by: float | None = None,
    ) -> Iterator[Status | Delta | Call | Done | Sessions]:
        """Send a request, again if that can help, and yield its frames up to the terminal one.

        ``topic`` is asked each time that the request is sent. Without ``retry`` a refusal for a reason that
        may pass is an error at once. On MQTT 5 it is not begun after ``begin_by`` (time.monotonic).

        Raises:
            RequestError: the broker or the node cannot be reached, the request was refused or failed, or
                ``timeout_s`` have passed.
        """
        payload = request.model_dump_json(exclude_none=True, by_alias=True).encode()

        def on_sent(outcome: Outcome) -> None:
            if outcome is Outcome.REFUSED:
                self._refused(request.id, len(payload))

        def send() -> None:
            left_s = None if begin_by is None else max(1, ceil(begin_by - monotonic()))
            self._connection.publish(topic(), payload, on_sent=on_sent, expiry_s=left_s)

        deadline = monotonic() + timeout_s
        self.wait_online(timeout_s)
        self._refuse_too_large(len(payload))
        with self._expecting(request.id) as pending:
            send()
            while (left_s := deadline - monotonic()) > 0:
                try:
                    frame = pending.frames.get(timeout=left_s)
                except Empty:
                    break
                if frame is None:
                    self._refuse_in_vain(request.id, pending, begin_by)
                    send()
                elif isinstance(frame, Error):
                    wait_s = _RETRY_S if frame.retry_after_ms is None else frame.retry_after_ms / 1000
                    if not (retry and frame.retryable) or monotonic() + wait_s >= deadline:
                        raise RequestError(frame.code, frame.message, retry_after_ms=frame.retry_after_ms)
                    sleep(wait_s)
                    self._refuse_in_vain(request.id, pending, begin_by)
                    send()
                else:
                    pending.node = frame.node
                    yield frame
                    if isinstance(frame, Done | Sessions):
                        return
            self.cancel(request.id)
            raise RequestError("timeout", f"{self._whom} has not answered within {timeout_s:g} s")

    def _refuse_in_vain(self, request_id: str, pending: _Pending, begin_by: float | None) -> None:
        """End what nobody waits for any longer, instead of sending it again.

        Raises:
            RequestError: unavailable: it was cancelled; expired: no node has begun it in time.
        """
        if begin_by is not None and monotonic() >= begin_by and pending.node is None:
            raise RequestError("expired", f"{self._whom} was away until it was too late to begin")
        if pending.cancelled:
            self.cancel(request_id)  # a node that was away may have it
            raise RequestError("unavailable", f"cancelled while {self._whom} could not answer")

    def _refuse_too_large(self, size: int) -> None:
        """Look at the limits that the nodes say they have, before anything is sent.

        Raises:
            RequestError: too_large, for the node, or for all nodes of the pool.
        """
        if size <= _ALWAYS_TAKEN_BYTES:
            return
        with self._changed:
            self._wait_for_infos()
            limits = [self._limits.get(node, size) for node in self._members()]
        if limits and size > max(limits):
            text = f"{self._whom} takes requests of {max(limits)} bytes, this one has {size}"
            raise RequestError("too_large", text)

    def _members(self) -> set[str]:
        """The nodes that are online and may answer; called with ``_changed`` held."""
        return self._online - self._strangers

    def _wait_for_infos(self) -> None:
        """Wait for the infos of all nodes that are online, until that was in vain once."""
        if not self._info_is_late:
            self._info_is_late = not self._changed.wait_for(
                lambda: self._online <= self._limits.keys(), _INFO_S
            )

    @contextmanager
    def _expecting(self, request_id: str) -> Iterator[_Pending]:
        with self._changed:
            pending = self._pending[request_id] = _Pending()
        try:
            yield pending
        finally:
            with self._changed:
                del self._pending[request_id]

    def _on_ready(self) -> None:
        self._connection.subscribe(self._info_topic)
        self._ask_again()

    def _refused(self, request_id: str, payload_bytes: int) -> None:
        """Let the asker know that the broker does not take the request."""
        limit = self._connection.packet_limit
        takes = f"takes packets of {limit} bytes" if limit else "does not take it"
        message = f"the request has {payload_bytes} bytes, and the broker {takes}: raise its limit"
        with self._changed:
            pending = self._pending.get(request_id)
        if pending:
            pending.frames.put(_failed(request_id, "too_large", message))

    def _ask_again(self) -> None:
        """Send every request again: it or its answer may have been lost."""
        with self._changed:
            for pending in self._pending.values():
                pending.frames.put(None)

    def _on_frame(self, message: Message) -> None:
        try:
            frame = FRAMES.validate_json(message.payload)
        except ValidationError:  # anybody may publish anything there
            log.debug("client.no_frame", topic=message.topic, bytes=len(message.payload))
            return
        with self._changed:
            pending = self._pending.get(frame.id)
        if pending:
            pending.frames.put(frame)

    def _on_info(self, message: Message) -> None:
        try:
            info = json.loads(message.payload)
            limit, pool = info["limits"]["request_bytes"], info.get("pool")
        except (ValueError, LookupError, TypeError, RecursionError):  # retired, or none of ours
            return
        node = message.topic.split("/")[-2]
        with self._changed:
            if isinstance(limit, int):
                self._limits[node] = limit
                is_stranger = self._pool is not None and pool != self._pool
                (self._strangers.add if is_stranger else self._strangers.discard)(node)
                self._changed.notify_all()

    def _on_state(self, message: Message) -> None:
        node, online = message.topic.split("/")[-2], message.payload == ONLINE
        with self._changed:
            changed = online != (node in self._online)
            (self._online.add if online else self._online.discard)(node)
            self._changed.notify_all()
            for pending in self._pending.values():
                # A node that is back gets what the broker kept for it; a broker without sessions has lost
                # that. In a pool, another node can answer at once.
                if changed and (online if self._pool is None else not online and pending.node == node):
                    pending.frames.put(None)


def _failed(request_id: str, code: Code, message: str) -> Error:
    """Make the error of a request that no node has answered."""
    return Error(id=request_id, node="", seq=0, code=code, message=message, retryable=False)
