"""What MQTT 5 adds: a topic to answer on, correlation, expiry, content type, reason codes."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from tests.conftest import TOPICS, Broker, Hub, Service, eventually

LONG = "What is the capital of Italy?"


@pytest.fixture(scope="module")
def service(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "log"
    service = Service(
        broker.port, bundle("int8"), log, EDGE_LLM_MQTT__RESPONSE_TOPICS='["answers/+", "edge_llm_hub/#"]'
    )
    service.wait_connected()
    yield service
    assert service.stop() == 0


@pytest.fixture
def hub(broker: Broker, service: Service) -> Iterator[Hub]:
    hub = Hub(broker.port, "answers/#", "lock/#", TOPICS.stream("panel"), TOPICS.reply("panel"))
    yield hub
    hub.close()


def ask(hub: Hub, topic: str, request_id: str, **properties: Any) -> None:
    payload = json.dumps({"id": request_id, "text": "Say hello.", "max_tokens": 8})
    hub.publish(TOPICS.request("panel"), payload, ResponseTopic=topic, **properties)


def test_the_terminal_frame_goes_to_the_response_topic_alone(hub: Hub) -> None:
    ask(hub, "answers/a", "r1", CorrelationData=b"\x00seven")
    frame = json.loads(eventually(lambda: hub.on("answers/a"))[0])
    assert (frame["type"], frame["id"]) == ("done", "r1")
    time.sleep(0.3)
    assert len(hub.messages) == 1
    assert hub.properties[0].CorrelationData == b"\x00seven"
    assert hub.properties[0].ContentType == "application/json"


def test_all_frames_go_there_when_asked(hub: Hub) -> None:
    ask(hub, "answers/b", "r2", UserProperty=("stream", "1"), CorrelationData=b"8")
    frames = eventually(lambda: (found := hub.on("answers/b")) and b'"done"' in found[-1] and found)
    parsed = [json.loads(payload) for payload in frames]
    assert [frame["seq"] for frame in parsed] == list(range(len(parsed)))
    assert parsed[0]["type"] == "status"
    assert {each.CorrelationData for each in hub.properties} == {b"8"}
    delta = next(at for at, frame in enumerate(parsed) if frame["type"] == "delta")
    assert 0 < hub.properties[delta].MessageExpiryInterval <= 60


@pytest.mark.parametrize(
    "topic",
    ["lock/front/set", "answers/a/b", "answers", "answers/+", "edge_llm/kitchen-pc/state", "$SYS/broker"],
)
def test_a_caller_cannot_make_the_node_publish_where_it_may_not(hub: Hub, topic: str) -> None:
    """The error goes to the topics of the contract."""
    ask(hub, topic, "r3", CorrelationData=b"9")
    frame = json.loads(eventually(lambda: hub.on(TOPICS.reply("panel")))[0])
    assert (frame["code"], frame["id"]) == ("bad_request", "r3")
    time.sleep(0.2)
    assert hub.on(topic) == []


def test_a_message_expiry_shortens_the_life_of_a_request(hub: Hub) -> None:
    """Two long replies keep the slots; what waits behind them longer than it may is not begun."""
    for number in range(2):
        payload = json.dumps({"id": f"l{number}", "text": LONG, "max_tokens": 1000})
        hub.publish(TOPICS.request(f"other{number}"), payload)
    payload = json.dumps({"id": "brief", "text": "Hi", "ttl_s": 60})
    hub.publish(TOPICS.request("panel"), payload, MessageExpiryInterval=1)
    time.sleep(1.5)
    for number in range(2):
        hub.publish(TOPICS.cancel(f"other{number}"), "*")
    frame = json.loads(eventually(lambda: hub.on(TOPICS.reply("panel")))[0])
    assert (frame["id"], frame["code"]) == ("brief", "expired")


def test_deltas_stop_where_nobody_listens(broker: Broker, service: Service) -> None:
    """A broker of version 5 says that nobody has subscribed: one frame finds that out, not each."""
    watcher = Hub(broker.port, "$SYS/broker/publish/messages/received", TOPICS.reply("alone"))
    watcher.publish(TOPICS.request("alone"), json.dumps({"id": "q", "text": LONG, "max_tokens": 300}))
    done = json.loads(eventually(lambda: watcher.on(TOPICS.reply("alone")))[0])
    watcher.close()
    assert done["usage"]["completion_tokens"] == 300
    assert done["seq"] < 15  # listened to, it is above 40
