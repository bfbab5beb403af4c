"""What MQTT 5 adds: a topic to answer on, correlation, expiry, content type, reason codes."""

import json
from typing import Any

import pytest

from tests.common import TOPICS, eventually
from tests.conversation import LONG, Conversation, Hub
from tests.processes import Broker, Nodes, Service


@pytest.fixture(scope="module", autouse=True)
def service(module_node: Nodes) -> Service:
    return module_node(mqtt__response_topics='["answers/+", "edge_llm_hub/#"]')


@pytest.fixture
def panel(hub: Hub) -> Conversation:
    return Conversation(hub, "panel")


def ask(panel: Conversation, topic: str, request_id: str, **properties: Any) -> None:
    panel.send(
        id=request_id, text="Say hello.", max_tokens=8, properties={"ResponseTopic": topic, **properties}
    )


def test_the_terminal_frame_goes_to_the_response_topic_alone(hub: Hub, panel: Conversation) -> None:
    ask(panel, "answers/a", "r1", CorrelationData=b"\x00seven")
    eventually(lambda: hub.on("answers/a"))
    panel.settle()
    (payload,) = hub.on("answers/a")
    frame = json.loads(payload)
    assert (frame["type"], frame["id"]) == ("done", "r1")
    assert panel.frames() == panel.replies() == []
    properties = hub.properties[hub.messages.index(("answers/a", payload))]
    assert properties.CorrelationData == b"\x00seven"
    assert properties.ContentType == "application/json"


def test_all_frames_go_there_when_asked(hub: Hub, panel: Conversation) -> None:
    ask(panel, "answers/b", "r2", UserProperty=("stream", "1"), CorrelationData=b"8")
    eventually(lambda: (found := hub.on("answers/b")) and b'"done"' in found[-1])
    here = [at for at, (topic, _) in enumerate(hub.messages) if topic == "answers/b"]
    parsed = [json.loads(hub.messages[at][1]) for at in here]
    assert [frame["seq"] for frame in parsed] == list(range(len(parsed)))
    assert parsed[0]["type"] == "status"
    assert {hub.properties[at].CorrelationData for at in here} == {b"8"}
    delta = next(at for at, frame in zip(here, parsed, strict=True) if frame["type"] == "delta")
    assert 0 < hub.properties[delta].MessageExpiryInterval <= 60


@pytest.mark.parametrize(
    "topic",
    ["lock/front/set", "answers/a/b", "answers", "answers/+", "edge_llm/kitchen-pc/state", "$SYS/broker"],
)
def test_a_caller_cannot_make_the_node_publish_where_it_may_not(
    broker: Broker, panel: Conversation, topic: str
) -> None:
    """The error goes to the topics of the contract."""
    there = Hub(broker.port, "lock/#", "answers/#", "$SYS/broker", TOPICS.state, TOPICS.reply("marker"))
    there.settle("answers/settled")
    there.messages.clear()  # the retained state
    ask(panel, topic, "r3", CorrelationData=b"9")
    frame = eventually(panel.replies)[0]
    assert (frame["code"], frame["id"]) == ("bad_request", "r3")
    Conversation(there, "other").settle()
    assert {its_topic for its_topic, _ in there.messages} == {TOPICS.reply("marker")}
    there.close()


def test_a_message_expiry_shortens_the_life_of_a_request(hub: Hub, panel: Conversation) -> None:
    """Two long replies keep the slots; what waits behind them longer than it may is not begun."""
    others = [Conversation(hub, f"other{number}") for number in range(2)]
    for number, other in enumerate(others):
        other.send(id=f"l{number}", **LONG)
    panel.send(id="brief", text="Hi", ttl_s=60, properties={"MessageExpiryInterval": 1})
    frame = eventually(panel.replies)[0]
    for other in others:
        assert other.replies() == []
        other.cancel()
    assert (frame["id"], frame["code"]) == ("brief", "expired")
    for other in others:
        other.ended()


def test_deltas_stop_where_nobody_listens(broker: Broker) -> None:
    """A broker of version 5 says that nobody has subscribed: one frame finds that out, not each."""
    watcher = Hub(broker.port, TOPICS.reply("alone"))
    Conversation(watcher, "alone").send(id="q", **LONG | {"max_tokens": 300})
    done = json.loads(eventually(lambda: watcher.on(TOPICS.reply("alone")))[0])
    watcher.close()
    assert done["usage"]["completion_tokens"] == 300
    assert done["seq"] < 15  # listened to, it is above 40
