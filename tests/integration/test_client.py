"""The Python client, and `ask` and `chat` on top of it, against a real service; two of them make a pool."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_llm.client import Client, Delta, Done, MqttSettings, RequestError, Status
from edge_llm.client.info import node_info
from edge_llm.contract.topics import Topics
from tests.common import NODE, eventually
from tests.conversation import LONG as LONG_REQUEST
from tests.conversation import Conversation, Hub
from tests.processes import Broker, Nodes, Service

ROOT = Path(__file__).parents[2]
LONG = str(LONG_REQUEST["text"])


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    return module_node(node__release="r1")


@pytest.fixture
def mqtt(broker: Broker) -> MqttSettings:
    return MqttSettings(host="127.0.0.1", port=broker.port)


@pytest.fixture
def client(service: Service, mqtt: MqttSettings) -> Iterator[Client]:
    with Client(mqtt, NODE) as client:
        yield client


def test_ask_returns_the_reply(client: Client) -> None:
    done = client.ask("What is the capital of Japan?")
    assert "Tokyo" in done.text
    assert done.finish_reason == "stop"


def test_stream_yields_deltas_that_make_up_the_text(client: Client) -> None:
    frames = list(client.stream("What is the capital of Japan?"))
    assert isinstance(frames[0], Status)
    assert isinstance(frames[-1], Done)
    assert "".join(frame.text for frame in frames if isinstance(frame, Delta)) == frames[-1].text


def test_several_threads_ask_at_once(client: Client) -> None:
    replies: dict[int, str] = {}

    def ask(number: int) -> None:
        replies[number] = client.ask(f"Say the number {number}.", max_tokens=12).text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(replies) == [0, 1, 2, 3]


def test_a_reply_is_cancelled(client: Client) -> None:
    frames = client.stream(LONG, max_tokens=1000, id="long")
    while not isinstance(next(frames), Delta):
        pass
    client.cancel("long")
    *_, done = frames
    assert isinstance(done, Done)
    assert done.finish_reason == "cancelled"


def test_a_session_goes_on_and_is_forgotten(client: Client) -> None:
    session = client.session("talk")
    first = session.ask("Say hello.", max_tokens=8)
    second = session.ask("Say it again.", max_tokens=8)
    assert second.usage.prompt_tokens > first.usage.prompt_tokens
    assert [message.role for message in session.messages()] == ["user", "assistant"] * 2
    assert client.sessions() == ("talk",)
    session.forget()
    assert client.sessions() == ()


def test_what_was_prepared_is_not_read_again(client: Client) -> None:
    rules = "You are the assistant of a house. " * 20
    client.prefill(rules)
    assert client.ask("Who are you?", system=rules, max_tokens=4).usage.cached_tokens > 100


def test_refusals_and_timeouts_have_codes(client: Client) -> None:
    with pytest.raises(RequestError) as refused:
        client.ask("word " * 9000)
    assert refused.value.code == "context_overflow"
    with pytest.raises(RequestError) as late:
        client.ask(LONG, max_tokens=1000, timeout_s=0.3)
    assert late.value.code == "timeout"


def test_a_node_that_is_not_there_is_named(client: Client, mqtt: MqttSettings) -> None:
    with Client(mqtt, "attic-pc") as other, pytest.raises(RequestError, match="node attic-pc is not online"):
        other.ask("Hi", timeout_s=1)


def test_a_busy_node_is_asked_again(node: Nodes, mqtt: MqttSettings) -> None:
    """Five at once, where a client may have two: all are answered."""
    small = node(engine__queue_limit=2, node__id="small-pc")
    answered = []
    with Client(mqtt, "small-pc") as client:
        threads = [
            threading.Thread(target=lambda: answered.append(client.ask("Hi", max_tokens=8).text))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert '"code": "busy"' in small.log_text()
    assert len(answered) == 5


def test_a_node_killed_amid_a_reply_says_all_of_it_once(service: Service, client: Client) -> None:
    alone = client.ask(LONG, max_tokens=300).text
    said, killed = "", False
    for frame in client.stream(LONG, max_tokens=300):
        if isinstance(frame, Delta):
            said += frame.text
            if not killed:
                killed = True
                service.kill()
                service.start()
    assert said == alone


def test_ask_prints_the_reply_and_takes_standard_input(service: Service, broker: Broker) -> None:
    done = run(broker, "ask", "-", "--max-tokens", "30", stdin="What is the capital of Japan?")
    assert "Tokyo" in done.stdout
    frame = json.loads(run(broker, "ask", "What is the capital of Japan?", "--json").stdout)
    assert (frame["type"], frame["node"]) == ("done", NODE)


def test_info_prints_what_the_node_says_of_itself(service: Service, broker: Broker) -> None:
    said = json.loads(run(broker, "info").stdout)
    assert (said["state"], said["info"]["node"], said["info"]["release"]) == ("online", NODE, "r1")
    with pytest.raises(RequestError, match="has nothing of node nobody"):
        node_info(MqttSettings(host="127.0.0.1", port=broker.port), "nobody")


def test_state_says_whether_a_node_is_online(service: Service, broker: Broker) -> None:
    assert run(broker, "state").stdout == "online\n"
    service.stop()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(broker, "state")
    assert failed.value.returncode == 1
    assert f"unavailable: node {NODE} is not online" in failed.value.stderr
    service.restart()


def test_chat_remembers_and_forgets(service: Service, broker: Broker, mqtt: MqttSettings) -> None:
    chat = ("chat", "--max-tokens", "8", "--session", "names")
    replies = run(broker, *chat, stdin="My name is Ada.\nWhat is my name?\n").stdout
    assert replies.strip()
    with Client(mqtt, NODE, "chat") as client:
        said = [message.content for message in client.session("names").messages()]
        assert said[::2] == ["My name is Ada.", "What is my name?"]
        run(broker, *chat, stdin="/forget\nWho am I?\n")
        assert client.session("names").messages()[0].content == "Who am I?"


def test_the_example_runs(service: Service, broker: Broker) -> None:
    command = [sys.executable, str(ROOT / "config/python/ask.py"), f"127.0.0.1:{broker.port}", NODE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Tokyo" in done.stdout
    assert len(done.stdout.splitlines()) >= 3


def run(broker: Broker, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"EDGE_LLM_MQTT__HOST": "127.0.0.1", "EDGE_LLM_MQTT__PORT": str(broker.port)}
    command = [sys.executable, "-m", "edge_llm.cli", *arguments, "--node", NODE]
    return subprocess.run(
        command,
        input=stdin,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


@pytest.fixture
def pool(node: Nodes) -> dict[str, Service]:
    """Two nodes with room for one request each."""
    settings: dict[str, Any] = {"mqtt__pool": "house", "engine__slots": 1, "engine__queue_limit": 1}
    names = ("one", "two")
    nodes = {
        name: node(wait=False, node__id=name, engine__inference_cores="none", **settings) for name in names
    }
    for service in nodes.values():
        service.wait_serving()
    return nodes


def test_a_pool_shares_the_work_and_a_session_stays(pool: dict[str, Service], mqtt: MqttSettings) -> None:
    with Client(mqtt, pool="house") as client:
        nodes = {client.ask("Hi", max_tokens=2).node for _ in range(6)}
        assert nodes == set(pool)
        session = client.session("talk")
        homes = {session.ask("Hi", max_tokens=2).node for _ in range(4)}
        assert len(homes) == 1
        assert len(session.messages()) == 8


def test_a_full_node_leaves_the_pool_and_comes_back(
    pool: dict[str, Service], mqtt: MqttSettings, broker: Broker
) -> None:
    one = Topics(mqtt.base_topic, "one")
    hub = Hub(broker.port, one.stream("+"), one.reply("+"))
    conversations = [Conversation(hub, who, one) for who in ("busy", "other")]
    for number, conversation in enumerate(conversations):
        conversation.send(id=f"n{number}", text=LONG, max_tokens=1500)
    eventually(conversations[-1].frames)
    with Client(mqtt, pool="house") as client:

        def asked() -> set[str]:
            return {client.ask("Hi", max_tokens=2).node for _ in range(6)}

        eventually(lambda: asked() == {"two"})
        for conversation in conversations:
            conversation.cancel()
        eventually(lambda: asked() == {"one", "two"})
    hub.close()


def test_a_pool_request_of_a_dead_node_is_made_by_another(
    pool: dict[str, Service], mqtt: MqttSettings
) -> None:
    with Client(mqtt, pool="house") as client:
        dead = None
        for frame in client.stream(LONG, max_tokens=400):
            if isinstance(frame, Delta) and dead is None:
                dead = frame.node
                pool[dead].kill()
        assert isinstance(frame, Done)
        assert frame.node != dead
