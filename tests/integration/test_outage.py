"""Brokers and services that die: what a hub sees, and that everything comes back by itself."""

import json
import signal
import time

from edge_llm.contract.topics import Topics
from tests.common import TOPICS, eventually
from tests.conversation import LONG, Conversation, Hub
from tests.processes import Broker, Nodes, Service


def test_a_broker_killed_mid_reply_costs_no_terminal_frame(broker: Broker, service: Service) -> None:
    """The reply goes on without a broker; after its return the hub gets the whole text, once."""
    before = service.log_text()
    hub = Hub(broker.port, TOPICS.stream("+"), TOPICS.reply("+"))
    panel = Conversation(hub, "panel")
    panel.send(**LONG | {"max_tokens": 300}, id="story")
    panel.begun()
    broker.kill()
    eventually(lambda: service.log_text().count("refused") > before.count("refused"))
    hub.messages.clear()
    # The hub comes back first: nobody keeps for it what is said before.
    service.process.send_signal(signal.SIGSTOP)
    broker.start()
    eventually(lambda: hub.subscribed == 2)
    service.process.send_signal(signal.SIGCONT)
    panel.ended("story")
    panel.settle()
    done, stream = panel.replies()[0], panel.frames()
    assert (done["type"], done["id"]) == ("done", "story")
    assert done["usage"]["completion_tokens"] > 50
    numbers = sorted({frame["seq"] for frame in stream})
    assert numbers == list(range(numbers[0], done["seq"] + 1))
    assert {frame["text"] for frame in stream if frame["type"] == "done"} == {done["text"]}
    hub.close()
    log = service.log_text().removeprefix(before)
    assert log.count("mqtt.connected") == 1
    assert 1 <= log.count("mqtt.disconnected") <= 2  # lost, then refused: one line a change


def test_kill_9_leaves_offline_behind(broker: Broker, service: Service) -> None:
    hub = Hub(broker.port, TOPICS.state)
    assert eventually(lambda: hub.on(TOPICS.state))[-1] == b"online"
    service.kill()
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"offline")
    service.start()
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"online")
    hub.close()


def test_a_killed_node_answers_after_its_restart(broker: Broker, service: Service) -> None:
    """What it was making, what waited, and what was published while it was away."""
    service.wait_serving()
    accepted = service.log_text().count("request.accepted")
    hub = Hub(broker.port, TOPICS.reply("+"))
    panel = Conversation(hub, "panel")
    for number in range(3):
        panel.send(**LONG | {"max_tokens": 100}, id=f"q{number}")
    eventually(lambda: service.log_text().count("request.accepted") == accepted + 3)
    service.kill()
    panel.send(id="q3", text="Hi", max_tokens=4)
    service.start()
    panel.answered(4)
    panel.settle()
    assert sorted(reply["id"] for reply in panel.replies()) == ["q0", "q1", "q2", "q3"]
    assert {reply["type"] for reply in panel.replies()} == {"done"}
    hub.close()


def test_requests_that_a_broker_retained_are_not_carried_out(broker: Broker, node: Nodes) -> None:
    """A retained message is a state, not a command: it would come back with every reconnect."""
    topics = Topics("haunted", TOPICS.node)
    hub = Hub(broker.port, topics.stream("+"), topics.reply("+"))
    hub.publish(topics.request("ghost"), "Say boo.", retain=True)
    service = node(mqtt__base_topic="haunted")
    service.wait_for("gateway.ignored")
    hub.publish(topics.request("ghost"), b"", retain=True)
    Conversation(hub, "ghost", topics).settle()
    accepted = [line for line in service.log_text().splitlines() if "request.accepted" in line]
    assert [json.loads(line)["client"] for line in accepted] == ["marker"]
    assert {json.loads(payload)["code"] for payload in hub.on(topics.stream("ghost"))} <= {"bad_request"}
    hub.close()


def test_a_broker_that_is_away_at_the_start_is_awaited(broker: Broker, node: Nodes) -> None:
    broker.kill()
    service = node(wait=False, node__id="early-pc")
    service.wait_for("mqtt.disconnected")
    time.sleep(2.5)  # two tries or more
    broker.start()
    service.wait_serving()
    assert service.log_text().count("mqtt.disconnected") == 1
