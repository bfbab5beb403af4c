"""A node with damaged or unwritable state: it serves, says so, and keeps what it can."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from tests.common import TOPICS, eventually
from tests.conftest import fresh_broker
from tests.conversation import Hub
from tests.processes import Broker, Service

broker = fresh_broker
HI = {"text": "Hi", "max_tokens": 2, "session": "s"}


class Node:
    """A service that keeps its state in a file, and a hub that asks it."""

    def __init__(self, broker: Broker, bundle: Bundle, directory: Path, file: Path) -> None:
        self.environment = {
            "EDGE_LLM_SESSIONS__FILE": str(file),
            "EDGE_LLM_ENGINE__PREFIX_STORE": str(directory / "prefixes"),
            "EDGE_LLM_ENGINE__BUNDLE": str(bundle.path),
            "EDGE_LLM_MQTT__PORT": str(broker.port),
            "EDGE_LLM_TELEMETRY__PERIOD_S": "1",
        }
        self.hub = Hub(broker.port, TOPICS.reply("panel"), TOPICS.info)
        self.service = Service(broker.port, bundle, directory / "log", **self.environment)
        self.service.wait_serving()

    def ask(self, **fields: object) -> dict[str, Any]:
        before = len(self.hub.on(TOPICS.reply("panel")))
        self.hub.publish(TOPICS.request("panel"), json.dumps(HI | fields))
        payloads = eventually(lambda: self.hub.on(TOPICS.reply("panel"))[before:])
        frame: dict[str, Any] = json.loads(payloads[0])
        return frame

    def info(self) -> dict[str, Any]:
        info: dict[str, Any] = json.loads(eventually(lambda: self.hub.on(TOPICS.info))[-1])
        return info

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.service.log_text().splitlines()]

    def check(self) -> dict[str, str]:
        """Level and text of what `edge-llm check` says of the state."""
        command = [sys.executable, "-m", "edge_llm.cli", "check", "--json", "--no-broker"]
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, check=True
        )
        findings = json.loads(done.stdout)["findings"]
        return {each["level"]: each["text"] for each in findings if each["part"] == "state"}

    def stop(self) -> None:
        self.service.process.kill()
        self.service.process.wait()
        self.hub.close()


def test_a_torn_file_is_moved_aside_and_the_node_serves(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"SQLite format 3\0" + bytes(5000))
    node = Node(broker, bundle("int8"), tmp_path, file)
    assert node.ask(id="1")["type"] == "done"
    assert "state" not in node.info()
    assert node.events().count("state.damaged") == 1
    assert len(list(tmp_path.glob("state.db.corrupt-*"))) == 1
    # And again, while it runs.
    file.write_bytes(b"torn" * 5000)
    for number in range(2, 6):
        assert node.ask(id=str(number))["type"] == "done"
    assert node.service.stop() == 0
    node.service.start()
    eventually(lambda: node.events().count("mqtt.connected") == 2)
    assert node.ask(id="6")["type"] == "done"
    node.stop()


def test_a_state_that_cannot_be_written_is_kept_in_memory_and_said(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("")
    node = Node(broker, bundle("int8"), tmp_path, tmp_path / "plain" / "state.db")
    first = node.ask(id="1")
    assert first["type"] == "done"
    assert node.ask(id="1")["replayed"] is True
    assert (
        node.ask(id="2")["usage"]["prompt_tokens"] > first["usage"]["prompt_tokens"]
    )  # the session is known
    state = node.info()["state"]
    assert state["sessions"] == "memory"
    assert "plain" in state["reason"]
    assert node.events().count("state.in_memory") == 1
    assert "plain" in node.check()["warning"]
    node.stop()


def test_a_file_that_is_locked_while_the_node_runs_is_said_and_costs_no_reply(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    file = tmp_path / "state.db"
    node = Node(broker, bundle("int8"), tmp_path, file)
    assert node.ask(id="1")["type"] == "done"
    assert node.check() == {"ok": f"{file}, {tmp_path / 'prefixes'}"}
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert node.ask(id="2")["type"] == "done"
        assert node.ask(id="1")["replayed"] is True
        eventually(lambda: node.info().get("state"))
        other.execute("ROLLBACK")
    assert "locked" in node.info()["state"]["reason"]
    assert node.events().count("state.in_memory") == 1
    node.stop()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_request_that_waited_too_long_is_not_begun_whatever_the_clock_said_before(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path, protocol: str
) -> None:
    """The node was last alive in the future: its clock is behind now, after a boot."""
    file = tmp_path / "state.db"
    node = Node(broker, bundle("int8"), tmp_path, file)
    assert node.ask(id="1")["type"] == "done"
    node.service.process.kill()
    node.service.process.wait()
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM clock").fetchone() == (1,)
        db.execute("UPDATE clock SET boot = 'another', wall = wall + 7200")
        db.commit()
    hub = Hub(broker.port, TOPICS.reply("other"), TOPICS.state, version=protocol)
    hub.publish(TOPICS.request("other"), json.dumps({"id": "stale", "text": "Hi", "max_tokens": 2}))
    if protocol == "5":
        fresh = json.dumps({"id": "fresh", "text": "Hi", "max_tokens": 2})
        hub.publish(TOPICS.request("other"), fresh, MessageExpiryInterval=50)
    node.service.start()
    eventually(lambda: hub.on(TOPICS.state)[-1:] == [b"online"])
    assert node.ask(id="2")["type"] == "done"  # it came after the node was there
    codes = {
        frame["id"]: frame.get("code", "done") for frame in map(json.loads, hub.on(TOPICS.reply("other")))
    }
    assert codes == {"stale": "expired"} | ({"fresh": "done"} if protocol == "5" else {})
    hub.close()
    node.stop()
