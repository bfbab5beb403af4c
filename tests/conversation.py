"""What stands at the other end: a hub that hears all, and one client's conversation with a node."""

import json
from collections.abc import Callable, Iterable
from functools import cache
from itertools import count
from typing import Any

import jsonschema
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_llm.contract import asyncapi
from edge_llm.contract.topics import OFFLINE, ONLINE, Topics
from tests.common import TOPICS, eventually

LONG: dict[str, Any] = {"text": "Write a very long story about a house.", "max_tokens": 1500}
"""Greedy decoding of this one goes round in circles for as long as it may."""
TERMINAL = ("done", "error", "session")
_numbers = count()


class Hub:
    """A bare paho client that records whatever arrives; it shares no code with the product."""

    def __init__(
        self,
        port: int,
        *topics: str,
        version: str = "5",
        prepare: Callable[[paho.Client], object] = lambda _client: None,
    ) -> None:
        protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
        self.messages: list[tuple[str, bytes]] = []
        self.properties: list[Any] = []
        self.subscribed = 0
        self._topics = [(topic, 1) for topic in topics]
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        prepare(self._client)
        self._client.connect("localhost", port)
        self._client.loop_start()
        eventually(lambda: self.subscribed)

    def _on_connect(self, *_: Any) -> None:
        self._client.subscribe(self._topics)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.properties.append(message.properties)
        self.messages.append((message.topic, bytes(message.payload)))

    def _on_subscribe(self, *_: Any) -> None:
        self.subscribed += 1

    def publish(
        self, topic: str, payload: bytes | str, *, retain: bool = False, qos: int = 1, **properties: Any
    ) -> None:
        """``properties`` are MQTT 5's, by the names that paho has for them."""
        sent = Properties(PacketTypes.PUBLISH) if properties else None  # type: ignore[no-untyped-call]  # paho's
        for name, value in properties.items():
            setattr(sent, name, value)
        self._client.publish(topic, payload, qos, retain, sent).wait_for_publish(10)

    def on(self, topic: str) -> list[bytes]:
        return [payload for its_topic, payload in list(self.messages) if its_topic == topic]

    def settle(self, topic: str = "test/settled") -> None:
        """Return when all that was at the broker before has arrived; the hub must hear ``topic``."""
        marker = f"settled {next(_numbers)}".encode()
        self.publish(topic, marker)
        eventually(lambda: marker in self.on(topic))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # paho leaves them to the garbage collector, which complains
        for topic, payload in self.messages:
            validate(topic, payload)


class Conversation:
    """What one client asks a node, and the frames that come back; its hub must have subscribed to them."""

    def __init__(self, hub: Hub, client: str, topics: Topics = TOPICS) -> None:
        self.client = client
        self._hub = hub
        self._topics = topics

    def send(self, *, qos: int = 1, properties: dict[str, Any] | None = None, **fields: Any) -> None:
        """Publish a request, and wait for nothing."""
        self.say(json.dumps(fields), qos=qos, **properties or {})

    def say(self, payload: bytes | str, *, qos: int = 1, **properties: Any) -> None:
        """Publish any payload as a request."""
        self._hub.publish(self._topics.request(self.client), payload, qos=qos, **properties)

    def ask(self, **fields: Any) -> list[dict[str, Any]]:
        """Publish a request; its frames once it has ended."""
        self.send(**fields)
        return self.ended(fields.get("id"))

    def prefill(self, **fields: Any) -> dict[str, Any]:
        """Have messages computed ahead; the terminal frame."""
        self._hub.publish(self._topics.prefill(self.client), json.dumps(fields))
        return self.ended(fields["id"])[-1]

    def command(self, **fields: str) -> dict[str, Any]:
        """Do a session command; its answer."""
        transaction = f"transaction-{next(_numbers)}"
        payload = json.dumps({**fields, "transaction": transaction})
        self._hub.publish(self._topics.session(self.client), payload)
        answer: dict[str, Any] = eventually(lambda: self.replies(transaction))[0]
        assert (answer["type"], answer["op"]) == ("session", fields["op"])
        return answer

    def cancel(self, payload: str = "*") -> None:
        self._hub.publish(self._topics.cancel(self.client), payload)

    def frames(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """All frames so far, or those of one request."""
        return _read(self._hub.on(self._topics.stream(self.client)), request_id)

    def replies(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """The terminal frames so far, or those of one request."""
        return _read(self._hub.on(self._topics.reply(self.client)), request_id)

    def states(self, request_id: str | None = None) -> list[str]:
        """The states that were told so far."""
        return [frame["state"] for frame in self.frames(request_id) if frame["type"] == "status"]

    def text(self, request_id: str | None = None) -> str:
        """The deltas so far."""
        return "".join(frame["text"] for frame in self.frames(request_id) if frame["type"] == "delta")

    def begun(self, request_id: str | None = None) -> None:
        """Wait for the first delta."""
        eventually(lambda: self.text(request_id))

    def ended(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """The frames of one reply, once its terminal frame has arrived on both topics."""

        def whole() -> list[dict[str, Any]]:
            received = self.frames(request_id)
            terminal = received and received[-1]["type"] in TERMINAL and self.replies(request_id)
            return received if terminal else []

        result: list[dict[str, Any]] = eventually(whole, 120)
        return result

    def answered(self, number: int) -> list[dict[str, Any]]:
        """The terminal frames once there are so many."""
        found: list[dict[str, Any]] = eventually(
            lambda: found if len(found := self.replies()) >= number else None, 120
        )
        return found

    def settle(self) -> None:
        """Return when the node has said all that it had to say of requests that came before this call.

        It asks under a name of its own: what a node publishes arrives in the order in which it was published.
        """
        marker = Conversation(self._hub, "marker", self._topics)
        request_id = f"marker-{next(_numbers)}"
        marker.send(id=request_id, text="Hi", max_tokens=1, stream=False)
        eventually(lambda: marker.replies(request_id))


def _read(payloads: Iterable[bytes], request_id: str | None) -> list[dict[str, Any]]:
    frames = [json.loads(payload) for payload in payloads]
    return [frame for frame in frames if request_id in (None, frame["id"])]


@cache
def _validator(channel: str) -> jsonschema.Draft202012Validator:
    """For the frames of one kind of topic, without fields that the contract does not name."""
    document = asyncapi.document()
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        schema["additionalProperties"] = False
    names = document["channels"][channel]["messages"]
    options = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return jsonschema.Draft202012Validator({"anyOf": options, "components": {"schemas": schemas}})


def validate(topic: str, payload: bytes) -> None:
    """Hold what a node has published against the AsyncAPI document."""
    parts = topic.split("/")
    if parts[0] == "edge_llm" and len(parts) > 2 and parts[2] in ("stream", "reply", "info", "telemetry"):
        _validator(parts[2]).validate(json.loads(payload))
    if parts[0] == "edge_llm" and len(parts) > 2 and parts[2] == "state":
        assert payload in (ONLINE, OFFLINE)
