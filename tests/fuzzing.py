"""Bad payloads and floods of them; a few of each in integration/, thousands in long/."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import paho.mqtt.client as paho
import psutil
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from edge_llm.contract.requests import parse, parse_cancel, parse_request_id
from edge_llm.errors import RequestError
from tests.common import TOPICS, eventually
from tests.conversation import Conversation, Hub
from tests.processes import HasPort, Service

VALID = [
    b'{"id": "x", "text": "Hi", "max_tokens": 1, "custom": {"a": [1, {"b": null}]}}',
    b'{"id": "y", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "stop": ["a"], "v": 1}',
    (
        b'{"id": "z", "text": "Hi", "max_tokens": 1, "tool_choice": "required", "tools": [{"function":'
        b'{"name": "f", "parameters": {"type": "object", "properties": {"a": {"enum": ["b", 1]}}}}}]}'
    ),
    b'{"op": "get", "session": "s", "transaction": "t"}',
    b'{"system": "You are brief.", "id": "p"}',
    b"*",
]
NO_LIMIT: dict[str, Any] = {
    "mqtt__requests_per_minute": "1e6",
    "engine__prefix_cache_mb": 10,
    "engine__context_tokens": 2048,  # which `fill` fills
}
STORY: dict[str, Any] = {"text": "Tell me a story.", "max_tokens": 40, "stream": False}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["id", "text", "v", "op"]) | st.text(), inner)
    ),
)


KIND = st.sampled_from(["request", "prefill", "session"])
PAYLOAD = st.binary() | JSON.map(lambda value: json.dumps(value).encode())


def parse_anything(kind: str, payload: bytes) -> None:
    """A parser raises nothing but a RequestError."""
    for read in (lambda: parse(kind, payload, 16384), lambda: parse_cancel(payload)):
        with suppress(RequestError):
            read()
    assert parse_request_id(payload, 16384)


def mutated(rng: random.Random) -> bytes:
    """A valid payload made bad: bytes changed, cut, repeated, nested, blown up."""
    payload = bytearray(rng.choice(VALID))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(payload) + 1)
        match rng.randrange(6):
            case 0:
                payload[at:at] = rng.randbytes(rng.randint(1, 8))
            case 1:
                del payload[at : at + rng.randint(1, 10)]
            case 2:
                payload[at:at] = rng.choice(
                    [b"null", b"1e999", b'"\\ud800"', b"\x00", b"{}", b"[]", b"-1", b"\xff"]
                )
            case 3:
                payload[at:at] = b"[" * rng.randint(1, 5000)
            case 4:
                payload[at:at] = b'{"a":' * rng.randint(1, 2000)
            case _:
                payload *= rng.randint(1, 3)
    if rng.random() < 0.01:
        payload *= 400
    return bytes(payload)


@contextmanager
def sending(broker: HasPort) -> Iterator[paho.Client]:
    """A client that publishes as fast as it may."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()
    client._reset_sockets()  # paho leaves them to the garbage collector


def fill(sane: Conversation) -> None:
    """Have the longest prompts read in every slot, so that what the service takes for them is taken."""
    for number in range(4):
        sane.send(id=f"long{number}", text=f"{number} " + "word " * 1900, max_tokens=100)
    sane.answered(4)


def ask(conversation: Conversation, request_id: str, **fields: Any) -> None:
    """Ask, and see that it ends well."""
    conversation.send(id=request_id, **fields)
    (reply,) = eventually(lambda: conversation.replies(request_id), 300)
    assert reply["type"] == "done", reply


def own_memory(service: Service) -> int:
    """Anonymous memory in bytes. What is mapped grows with each token that is new: a row of the embedding."""
    memory = psutil.Process(service.process.pid).memory_info()
    return memory.rss - memory.shared


def send_bad_payloads(
    broker: HasPort, service: Service, sane: Conversation, *, batches: int, size: int
) -> list[int]:
    """Bytes of own memory after each batch of bad payloads; after each, a good one is answered."""
    rng = random.Random(0)
    topics = [TOPICS.request("fuzz"), TOPICS.cancel("fuzz"), TOPICS.prefill("fuzz"), TOPICS.session("fuzz")]
    sizes = list[int]()
    with sending(broker) as sender:
        for batch in range(batches):
            for _ in range(size):
                info = sender.publish(rng.choice(topics), mutated(rng), qos=1)
            info.wait_for_publish(300)
            ask(sane, f"s{batch}", text="Hi", max_tokens=1)
            sizes.append(own_memory(service))
    log = service.log_text()
    assert "Traceback" not in log
    assert "gateway.failed" not in log
    return sizes


@dataclass
class Floods:
    """Floods of one client's requests, among which another client asks."""

    broker: HasPort
    service: Service
    hub: Hub
    size: int
    overtaken: list[int] = field(default_factory=list)
    """Of each flood: replies to the flooding client that came before one to the other."""
    sizes: list[int] = field(default_factory=list)
    """Bytes resident after each flood."""

    def __post_init__(self) -> None:
        self.mad, self.calm = Conversation(self.hub, "mad"), Conversation(self.hub, "calm")

    def run(self, number: int) -> None:
        """One flood; every request of it that came at QoS 1 is answered, or refused with a code.

        The broker hands messages out in order: once the second request of the calm client is answered, all
        of the flood is refused or waits. The third waits for no more of the other's replies than are in
        progress.
        """
        with sending(self.broker) as sender:
            for each in range(self.size):
                request = {"id": f"{number}-{each}", "text": f"Tell a tale, {each}.", "max_tokens": 40}
                info = sender.publish(TOPICS.request("mad"), json.dumps(request), qos=each % 2)
            ask(self.calm, f"q{number}-0", **STORY)
            info.wait_for_publish(300)
            ask(self.calm, f"q{number}-1", **STORY)
            self.hub.settle()
            before = self._done()
            ask(self.calm, f"q{number}-2", **STORY)
            self.overtaken.append(self._done() - before)
        eventually(partial(self._promises_kept, number), 300)
        self.sizes.append(own_memory(self.service))

    def answers(self) -> Counter[str]:
        """What became of the requests of the floods."""
        return Counter(frame.get("code", "done") for frame in self.mad.replies())

    def _done(self) -> int:
        return self.answers()["done"]

    def _promises_kept(self, number: int) -> bool:
        ids = {f"{number}-{each}" for each in range(1, self.size, 2)}
        return len(self.hub.messages) > len(ids) and ids <= {frame["id"] for frame in self.mad.replies()}
