"""A client of nodes over MQTT: ask, stream, cancel, and conversations that a node remembers.

from edge_llm.client import Client, MqttSettings

with Client(MqttSettings(host="broker"), "kitchen-pc") as client:
    print(client.ask("Why is the sky blue?").text)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Condition
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from edge_llm.config import MqttSettings
from edge_llm.contract.frames import FRAMES, AnyFrame, Delta, Done, Error, Sessions, Status
from edge_llm.contract.requests import EVERYTHING, ChatMessage, Prefill, Request, SessionCommand
from edge_llm.contract.topics import ONLINE, Topics
from edge_llm.errors import RequestError
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message

__all__ = ["ChatMessage", "Client", "Delta", "Done", "MqttSettings", "RequestError", "Session", "Status"]

TIMEOUT_S = 120.0
_CONNECT_S = 10.0
_ONLINE_S = 5.0
_RETRY_S = 1.0
"""Before an error that may pass is tried again, where the node does not say."""


class _Pending:
    """A request that waits for its terminal frame; None among the frames: ask again."""

    def __init__(self) -> None:
        self.frames: SimpleQueue[AnyFrame | None] = SimpleQueue()
        self.node: str | None = None


class Client:
    """One asker's connection to one node, or to a pool of nodes; a context manager, for any thread.

    A request is sent again under its id, which the node knows, when the broker or the node was away, and
    when it was refused for a reason that may pass: it is answered once, or ends in an error.
    """

    def __init__(
        self,
        settings: MqttSettings,
        node: str | None = None,
        name: str | None = None,
        *,
        pool: str | None = None,
    ) -> None:
        """Ask ``node``, or whichever node of ``pool`` is free, as ``name``.

        ``name`` is the client id in the topics. With an ACL at the broker it must be the user name, which
        it therefore is where there is one; else it is made up.
        """
        if (node is None) == (pool is None):
            raise ValueError("give a node, or a pool")
        self.name = name or settings.username or f"ask-{uuid4().hex[:8]}"
        self._settings = settings
        self._whom = f"node {node}" if node else f"a node of pool {pool}"
        self._topics = Topics(settings.base_topic, node or "+", pool)
        self._pool = pool
        self._homes: dict[str, str] = {}
        self._online: set[str] = set()
        self._pending: dict[str, _Pending] = {}
        self._changed = Condition()
        self._connection = Connection(
            settings,
            client_id=f"edge_llm-client-{self.name}-{uuid4().hex[:8]}",
            subscriptions=(self._topics.stream(self.name), self._topics.state),
            on_message=self._on_message,
            on_ready=self._ask_again,
        )

    def __enter__(self) -> Self:
        """Start to connect."""
        self._connection.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._connection.stop()

    def wait_online(self, timeout_s: float = _ONLINE_S) -> None:
        """Wait until the node's retained state, or that of one of the pool's nodes, says ``online``.

        Raises:
            RequestError: the broker cannot be reached, or no such state came, each within ``timeout_s``.
        """
        where = f"{self._settings.host}:{self._settings.port}"
        if not self._connection.wait_ready(min(timeout_s, _CONNECT_S)):
            why = self._connection.failure or "no answer"
            raise RequestError(
                "unavailable", f"no MQTT broker at {where} ({why}): start one, or set mqtt.host"
            )
        with self._changed:
            if not self._changed.wait_for(lambda: self._online, min(timeout_s, _ONLINE_S)):
                raise RequestError(
                    "unavailable",
                    f"{self._whom} is not online at {where}: is `edge-llm serve` running there?",
                )

    def ask(self, text: str | None = None, *, timeout_s: float = TIMEOUT_S, **fields: Any) -> Done:
        """Ask, and wait for the whole reply; ``fields`` are those of a request (README, topics).

        Raises:
            RequestError: the broker or the node cannot be reached, the request was refused or failed, or
                ``timeout_s`` have passed.
        """
        for frame in self.stream(text, timeout_s=timeout_s, **{"stream": False, **fields}):
            if isinstance(frame, Done):
                return frame
        raise AssertionError("a stream ends in done, or raises")

    def stream(
        self, text: str | None = None, *, timeout_s: float = TIMEOUT_S, **fields: Any
    ) -> Iterator[Status | Delta | Done]:
        """Ask, and yield the frames of the reply as they come, Done last.

        The deltas put together are the text of Done, unless the reply had to be made again and became
        another one.

        Raises:
            RequestError: see ``ask``.
        """
        request = Request(text=text, **fields)

        def send() -> None:
            self._publish(self._request_topic(request.session), request)

        said = heard = ""
        last_seq = -1
        for frame in self._frames(request.id, send, timeout_s):
            if frame.seq == 0:  # it began anew
                heard, last_seq = "", -1
            if isinstance(frame, Done):
                if request.session:
                    self._homes[request.session] = frame.node
                if frame.text.startswith(said) and len(frame.text) > len(said) and request.stream:
                    yield Delta(**_header(frame), text=frame.text[len(said) :])
                yield frame
            elif isinstance(frame, Status):
                yield frame
            elif isinstance(frame, Delta) and frame.seq > last_seq:
                heard += frame.text
                if heard.startswith(said) and len(heard) > len(said):
                    yield frame.model_copy(update={"text": heard[len(said) :]})
                    said = heard
            last_seq = max(last_seq, frame.seq)

    def cancel(self, request_id: str = EVERYTHING) -> None:
        """End a request of this client's, or all of them; their replies end in done, ``cancelled``."""
        pending = self._pending.get(request_id)
        with self._changed:
            nodes = [pending.node] if pending and pending.node else list(self._online)
        for node in nodes:
            self._connection.publish(self._of(node).cancel(self.name), request_id.encode())

    def prefill(self, system: str | None = None, *, timeout_s: float = TIMEOUT_S, **fields: Any) -> Done:
        """Have a node compute ahead what later requests begin with; returns when it has.

        Raises:
            RequestError: see ``ask``.
            ValueError: this client asks a pool.
        """
        prefill = Prefill(system=system, **fields)
        topic = self._one_node().prefill(self.name)
        for frame in self._frames(prefill.id, lambda: self._publish(topic, prefill), timeout_s):
            if isinstance(frame, Done):
                return frame
        raise AssertionError("frames end in a terminal one, or raise")

    def session(self, name: str) -> "Session":
        """A conversation that the node remembers under ``name``, whether it has begun or not."""
        return Session(self, name)

    def sessions(self) -> tuple[str, ...]:
        """The names of this client's conversations on the node.

        Raises:
            RequestError: see ``ask``.
            ValueError: this client asks a pool.
        """
        return self.command("list").sessions

    def command(self, op: str, session: str | None = None, *, timeout_s: float = TIMEOUT_S) -> Sessions:
        """Do a session command; ``op`` is list, get, reset or delete.

        Raises:
            RequestError: see ``ask``.
            ValueError: this client asks a pool, and the session is on none of its nodes yet.
        """
        command = SessionCommand.model_validate({"op": op, "session": session})
        home = self._homes.get(session or "")
        topic = (self._of(home) if home else self._one_node()).session(self.name)
        for frame in self._frames(command.id, lambda: self._publish(topic, command), timeout_s):
            if isinstance(frame, Sessions):
                return frame
        raise AssertionError("frames end in a terminal one, or raise")

    def _frames(
        self, request_id: str, send: Callable[[], None], timeout_s: float
    ) -> Iterator[Status | Delta | Done | Sessions]:
        """Send a request, and again where that helps, and yield its frames up to the terminal one."""
        deadline = monotonic() + timeout_s
        self.wait_online(timeout_s)
        with self._expecting(request_id) as pending:
            send()
            while (left_s := deadline - monotonic()) > 0:
                try:
                    frame = pending.frames.get(timeout=left_s)
                except Empty:
                    break
                if frame is None:
                    send()
                elif isinstance(frame, Error):
                    wait_s = _RETRY_S if frame.retry_after_ms is None else frame.retry_after_ms / 1000
                    if not frame.retryable or monotonic() + wait_s >= deadline:
                        raise RequestError(frame.code, frame.message, retry_after_ms=frame.retry_after_ms)
                    sleep(wait_s)
                    send()
                else:
                    pending.node = frame.node
                    yield frame
                    if isinstance(frame, Done | Sessions):
                        return
            self.cancel(request_id)
            raise RequestError("timeout", f"{self._whom} has not answered within {timeout_s:g} s")

    @contextmanager
    def _expecting(self, request_id: str) -> Iterator[_Pending]:
        with self._changed:
            pending = self._pending[request_id] = _Pending()
        try:
            yield pending
        finally:
            with self._changed:
                del self._pending[request_id]

    def _publish(self, topic: str, payload: Request | Prefill | SessionCommand) -> None:
        self._connection.publish(topic, payload.model_dump_json(exclude_none=True).encode())

    def _request_topic(self, session: str | None) -> str:
        """The pool's, but a session goes on where it is."""
        home = self._homes.get(session or "")
        if self._pool and home not in self._online:
            return self._topics.pool_request(self.name)
        return (self._of(home) if home and self._pool else self._topics).request(self.name)

    def _of(self, node: str) -> Topics:
        return Topics(self._settings.base_topic, node)

    def _one_node(self) -> Topics:
        if self._pool:
            raise ValueError("only one node can do this, and this client asks a pool")
        return self._topics

    def _ask_again(self) -> None:
        """What was sent may not have arrived, and what was answered may have been missed."""
        with self._changed:
            for pending in self._pending.values():
                pending.frames.put(None)

    def _on_message(self, message: Message) -> None:
        node = message.topic.split("/")[-2]
        if message.topic == self._of(node).state:
            self._on_state(node, online=message.payload == ONLINE)
            return
        frame = FRAMES.validate_json(message.payload)
        with self._changed:
            pending = self._pending.get(frame.id)
        if pending:
            pending.frames.put(frame)

    def _on_state(self, node: str, *, online: bool) -> None:
        with self._changed:
            changed = online != (node in self._online)
            (self._online.add if online else self._online.discard)(node)
            self._changed.notify_all()
            for pending in self._pending.values():
                # A node that is back has what the broker kept for it; what it had not yet got is lost to a
                # broker without sessions. Another node of the pool need not wait for it.
                if changed and (online if self._pool is None else not online and pending.node == node):
                    pending.frames.put(None)


class Session:
    """A conversation: a node remembers its turns, and each question takes them into account."""

    def __init__(self, client: Client, name: str) -> None:
        """See ``Client.session``."""
        self.name = name
        self._client = client

    def ask(self, text: str, *, timeout_s: float = TIMEOUT_S, **fields: Any) -> Done:
        """See ``Client.ask``."""
        return self._client.ask(text, timeout_s=timeout_s, session=self.name, **fields)

    def stream(
        self, text: str, *, timeout_s: float = TIMEOUT_S, **fields: Any
    ) -> Iterator[Status | Delta | Done]:
        """See ``Client.stream``."""
        return self._client.stream(text, timeout_s=timeout_s, session=self.name, **fields)

    def messages(self) -> tuple[ChatMessage, ...]:
        """What was said so far.

        Raises:
            RequestError: see ``Client.ask``.
        """
        return self._client.command("get", self.name).messages or ()

    def forget(self) -> None:
        """Begin anew.

        Raises:
            RequestError: see ``Client.ask``.
        """
        self._client.command("delete", self.name)


def _header(frame: Done) -> dict[str, Any]:
    return {name: getattr(frame, name) for name in ("id", "node", "seq", "session", "custom")}
