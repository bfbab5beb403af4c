"""Whatever is published to a node's topics: it lives, refuses with a code, and answers the next one."""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from edge_llm.bundle import Bundle
from edge_llm.config import EngineSettings
from edge_llm.contract.requests import parse, parse_cancel, parse_request_id
from edge_llm.convert.prepare import Quantization
from edge_llm.errors import RequestError
from tests.conftest import TOPICS, Broker, Hub, Service, eventually, fresh_broker

broker = fresh_broker

VALID = [
    b'{"id": "x", "text": "Hi", "max_tokens": 1, "custom": {"a": [1, {"b": null}]}}',
    b'{"id": "y", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "stop": ["a"], "v": 1}',
    b'{"op": "get", "session": "s", "transaction": "t"}',
    b'{"system": "You are brief.", "id": "p"}',
    b"*",
]
PAYLOADS = 2000
WARM_UP, BATCHES = 10, 10  # the heap needs some to find its size: it grows by less and less
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["id", "text", "v", "op"]) | st.text(), inner)
    ),
)


@settings(max_examples=400)
@given(
    kind=st.sampled_from(["request", "prefill", "session"]),
    payload=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_a_parser_raises_nothing_but_a_request_error(kind: str, payload: bytes) -> None:
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


@pytest.fixture
def service(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Service]:
    service = Service(broker.port, bundle("int8"), tmp_path / "log", **request.param)
    service.wait_connected()
    yield service
    service.stop(signal.SIGKILL)


@pytest.fixture
def sender(broker: Broker) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def fill(hub: Hub) -> None:
    """Have the longest prompts read in every slot, so that what the service takes for them is taken."""
    for number in range(4):
        request = {"id": f"long{number}", "text": f"{number} " + "word " * 1900, "max_tokens": 100}
        hub.publish(TOPICS.request("sane"), json.dumps(request))
    eventually(lambda: len(hub.on(TOPICS.reply("sane"))) == 4, 60)


def ask(hub: Hub, client: str, request_id: str, **fields: object) -> float:
    """Seconds until the reply ``request_id`` has ended well."""
    began = time.monotonic()
    hub.publish(TOPICS.request(client), json.dumps({"id": request_id, **fields}))
    mark = json.dumps(request_id).encode()
    answer = eventually(lambda: [p for p in hub.on(TOPICS.reply(client)) if mark in p], 60)[0]
    assert json.loads(answer)["type"] == "done"
    return time.monotonic() - began


NO_LIMIT = {"EDGE_LLM_MQTT__REQUESTS_PER_MINUTE": "1e6", "EDGE_LLM_ENGINE__PREFIX_CACHE_MB": "10"}


@pytest.mark.parametrize("service", [NO_LIMIT], indirect=True, ids=[""])
def test_a_node_survives_20000_bad_payloads(broker: Broker, service: Service, sender: paho.Client) -> None:
    rng = random.Random(0)
    hub = Hub(broker.port, TOPICS.reply("sane"))
    topics = [TOPICS.request("fuzz"), TOPICS.cancel("fuzz"), TOPICS.prefill("fuzz"), TOPICS.session("fuzz")]
    process, sizes = psutil.Process(service.process.pid), []
    fill(hub)
    for batch in range(WARM_UP + BATCHES):
        for _ in range(PAYLOADS):
            info = sender.publish(rng.choice(topics), mutated(rng), qos=1)
        info.wait_for_publish(60)
        ask(hub, "sane", f"s{batch}", text="Hi", max_tokens=1)
        sizes.append(process.memory_info().rss)
    hub.close()
    print("MB resident after each batch:", [size // 10**6 for size in sizes])
    assert max(sizes) - max(sizes[:WARM_UP]) < 20e6
    log = service.log_text()
    assert "Traceback" not in log
    lines = map(json.loads, log.splitlines())
    refused = sum(line["count"] for line in lines if line["event"] == "gateway.refused")
    assert refused > BATCHES * PAYLOADS / 4
    assert "gateway.failed" not in log


@pytest.mark.parametrize("service", [NO_LIMIT], indirect=True, ids=[""])
def test_a_flood_on_topics_that_name_no_client_is_not_one_of_the_log(
    broker: Broker, service: Service, sender: paho.Client
) -> None:
    for _ in range(2000):
        info = sender.publish(TOPICS.request("no client"), "Hi", qos=1)
    info.wait_for_publish(60)
    hub = Hub(broker.port, TOPICS.reply("sane"))
    ask(hub, "sane", "s", text="Hi", max_tokens=1)
    hub.close()
    lines = [json.loads(line) for line in service.log_text().splitlines()]
    assert 1 <= sum(line["event"] == "gateway.ignored" for line in lines) < 100


@pytest.mark.parametrize("service", [{"EDGE_LLM_ENGINE__PREFIX_CACHE_MB": "10"}], indirect=True, ids=[""])
def test_a_flood_of_one_client_does_not_hold_up_another(
    broker: Broker, service: Service, sender: paho.Client
) -> None:
    """5,000 requests as fast as they go; each that came at QoS 1 is answered, or refused with a code.

    The broker hands messages out in order: what is asked at once afterwards waits until those before it are
    refused. So it is the third request of each flood that is looked at: it waits for no more of the other's
    replies than are in the making.
    """
    hub = Hub(broker.port, TOPICS.reply("sane"), TOPICS.reply("calm"), TOPICS.reply("mad"))
    process = psutil.Process(service.process.pid)
    fill(hub)
    story = {"text": "Tell me a story.", "max_tokens": 40, "stream": False}
    ask(hub, "calm", "q0", **story)
    alone = sorted(ask(hub, "calm", f"q{number}", **story) for number in (1, 2, 3))[1]
    sizes: list[int] = []
    among: list[float] = []
    overtaken: list[int] = []

    def replies() -> list[dict[str, str]]:
        return [json.loads(payload) for payload in hub.on(TOPICS.reply("mad"))]

    def promises_kept(flood: int) -> bool:
        ids = {f"{flood}-{number}" for number in range(1, 5000, 2)}
        return len(hub.messages) > len(ids) and ids <= {frame["id"] for frame in replies()}

    for flood in range(3):
        for number in range(5000):
            request = {"id": f"{flood}-{number}", "text": f"Tell a tale, number {number}.", "max_tokens": 40}
            info = sender.publish(TOPICS.request("mad"), json.dumps(request), qos=number % 2)
        for number in range(3):
            before = sum(frame["type"] == "done" for frame in replies())
            among.append(ask(hub, "calm", f"q{flood}-{number}", **story))
            after = sum(frame["type"] == "done" for frame in replies())
        overtaken.append(after - before)
        info.wait_for_publish(60)
        eventually(partial(promises_kept, flood), 120)
        sizes.append(process.memory_info().rss)
    hub.close()
    answers = Counter(frame.get("code", "done") for frame in replies())
    print(f"alone {alone:.2f} s; in the floods", [f"{seconds:.2f}" for seconds in among])
    print(answers, "MB resident after each flood:", [size // 10**6 for size in sizes])
    assert sizes[-1] - sizes[0] < 20e6
    assert max(overtaken) <= 2 * EngineSettings().slots
