"""A client of a node over MQTT: asks, and yields the frames of the reply."""

from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from pydantic import TypeAdapter

from edge_llm.config import MqttSettings
from edge_llm.errors import RequestError
from edge_llm.mqtt.client import Connection
from edge_llm.mqtt.contract import ONLINE, TERMINAL, AnyFrame, Request, Topics

_FRAME: TypeAdapter[AnyFrame] = TypeAdapter(AnyFrame)


class Client:
    """One asker's connection to one node; a context manager."""

    def __init__(self, settings: MqttSettings, node: str, client: str | None = None) -> None:
        """Ask ``node`` as ``client`` (default: a name of its own)."""
        self._topics = Topics(settings.base_topic, node)
        self._client = client or f"ask-{uuid4().hex[:8]}"
        self._settings = settings
        self._node = node
        self._frames: SimpleQueue[AnyFrame] = SimpleQueue()
        self._online = Event()
        self._connection = Connection(
            settings,
            client_id=f"edge_llm-client-{self._client}",
            subscriptions=(self._topics.stream(self._client), self._topics.state),
            on_message=self._on_message,
            on_ready=lambda: None,
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

    def stream(self, *, timeout_s: float = 120.0, **fields: Any) -> Iterator[AnyFrame]:
        """Send a request (the fields of contract.Request) and yield its frames, the terminal one last.

        Raises:
            RequestError: the broker or the node cannot be reached, or nothing came for ``timeout_s``.
        """
        if not self._connection.wait_ready(min(timeout_s, 10.0)):
            raise RequestError(
                "unavailable",
                f"no MQTT broker at {self._settings.host}:{self._settings.port}"
                f" ({self._connection.failure or 'no answer'}): start one, or set mqtt.host",
            )
        if not self._online.wait(min(timeout_s, 5.0)):
            raise self._absent(f"is not online at {self._settings.host}:{self._settings.port}")
        request = Request(**fields)
        payload = request.model_dump_json(exclude_none=True).encode()
        self._connection.publish(self._topics.request(self._client), payload)
        frame: AnyFrame | None = None
        while not isinstance(frame, TERMINAL):
            frame = self._next(request.id, timeout_s)
            yield frame

    def cancel(self, request_id: str) -> None:
        """Ask the node to end a request of this client's."""
        self._connection.publish(self._topics.cancel(self._client), request_id.encode())

    def _next(self, request_id: str, timeout_s: float) -> AnyFrame:
        until = monotonic() + timeout_s
        while (left := until - monotonic()) > 0:
            try:
                frame = self._frames.get(timeout=min(left, 0.5))
            except Empty:
                if not self._online.is_set():
                    raise self._absent("went offline") from None
                continue
            if frame.id == request_id:
                return frame
        raise self._absent(f"has not answered for {timeout_s:.0f} s")

    def _absent(self, what: str) -> RequestError:
        return RequestError("unavailable", f"node {self._node} {what}: is `edge-llm serve` running there?")

    def _on_message(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: ARG002, FBT001 - paho's message
        if topic == self._topics.state:
            (self._online.set if payload == ONLINE else self._online.clear)()
        else:
            self._frames.put(_FRAME.validate_json(payload))
