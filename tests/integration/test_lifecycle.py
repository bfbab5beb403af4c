"""Under a service manager: what a service reports, and how it ends and comes back with no request lost."""

import ctypes
import json
import os
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import psutil
import pytest

from edge_llm.bundle import MODEL_DATA, Bundle
from edge_llm.convert.prepare import Quantization
from tests.conftest import TOPICS, Broker, Hub, Service, eventually, fresh_broker

# Greedy decoding of this one goes round in circles for as long as it may.
LONG = {"text": "What is the capital of Italy?", "max_tokens": 500}
Start = Callable[..., Service]


class Manager:
    """The socket that systemd would listen on, read at once: a few unread messages hold senders up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._heard: list[str] = []
        self._listener = Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        while message := self._socket.recv(4096):
            self._heard += message.decode().split("\n")

    def heard(self) -> list[str]:
        return list(self._heard)

    def forget(self) -> None:
        self._heard.clear()

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"", str(self.path))
        self._listener.join()
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


broker = fresh_broker


@pytest.fixture
def start(broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path) -> Iterator[Start]:
    services = []

    def start(**environment: object) -> Service:
        words = {name: str(value) for name, value in environment.items()}
        services.append(Service(broker.port, bundle("int8"), tmp_path / "log", **words))
        return services[-1]

    yield start
    for service in services:
        service.process.kill()
        service.process.wait()


def begun(hub: Hub, client: str, request_id: str) -> bool:
    frames = map(json.loads, hub.on(TOPICS.stream(client)))
    return any(frame["type"] == "delta" and frame["id"] == request_id for frame in frames)


def terminals(hub: Hub, client: str) -> list[tuple[str, str]]:
    frames = map(json.loads, hub.on(TOPICS.reply(client)))
    return [(frame["id"], frame.get("code", frame["type"])) for frame in frames]


def test_it_is_ready_without_a_broker_and_says_what_it_waits_for(
    broker: Broker, manager: Manager, start: Start
) -> None:
    broker.kill()
    service = start(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC=200_000)
    eventually(lambda: any("refused" in line for line in manager.heard()))
    heard = list(manager.heard())
    assert heard[0] == "STATUS=loading the model"
    assert heard.count("READY=1") == 1
    broker.start()
    eventually(lambda: any(line.startswith("STATUS=serving") for line in manager.heard()))
    manager.forget()
    eventually(lambda: manager.heard().count("WATCHDOG=1") > 3)
    assert "STOPPING=1" not in manager.heard()
    assert service.stop() == 0
    assert "STOPPING=1" in manager.heard()


def test_a_long_prefill_feeds_the_watchdog(broker: Broker, manager: Manager, start: Start) -> None:
    service = start(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC=200_000, EDGE_LLM_ENGINE__CONTEXT_TOKENS=4096)
    service.wait_connected()
    hub = Hub(broker.port, TOPICS.stream("panel"))
    hub.publish(TOPICS.request("panel"), json.dumps({"text": "word " * 3000, "max_tokens": 1}))
    eventually(lambda: any(b"prefill" in frame for frame in hub.on(TOPICS.stream("panel"))))
    manager.forget()
    eventually(lambda: b'"done"' in hub.on(TOPICS.stream("panel"))[-1], 120)
    assert manager.heard().count("WATCHDOG=1") > 3
    hub.close()


def test_a_stuck_step_does_not_feed_it(broker: Broker, manager: Manager, start: Start) -> None:
    """The engine's thread is stopped amid a forward pass; the others go on."""
    environment = {"EDGE_LLM_ENGINE__INFERENCE_CORES": "0", "EDGE_LLM_ENGINE__CONTEXT_TOKENS": 4096}
    service = start(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC=200_000, **environment)
    service.wait_connected()
    hub = Hub(broker.port, TOPICS.stream("panel"), TOPICS.stream("other"))
    hub.publish(TOPICS.request("panel"), json.dumps({**LONG, "id": "endless", "max_tokens": 3000}))
    eventually(lambda: begun(hub, "panel", "endless"))
    with frozen_in_a_forward_pass(service.process.pid):
        hub.publish(TOPICS.request("other"), "Hi")
        eventually(lambda: hub.on(TOPICS.stream("other")))
        time.sleep(0.5)  # a look under way at the stop, and the first one after it, may find the turns before
        manager.forget()
        time.sleep(1)  # twenty looks
        assert "WATCHDOG=1" not in manager.heard()
    eventually(lambda: manager.heard().count("WATCHDOG=1") > 3)
    hub.publish(TOPICS.cancel("panel"), "*")
    eventually(lambda: b'"done"' in hub.on(TOPICS.stream("other"))[-1])
    service.process.send_signal(signal.SIGABRT)  # what systemd does then
    assert service.process.wait(20) == -signal.SIGABRT
    assert "scheduler.py" in service.log_text()  # where the engine was
    hub.close()


@contextmanager
def frozen_in_a_forward_pass(pid: int) -> Iterator[None]:
    """Stop the thread that computes, and no other, while it is in ONNX Runtime."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p
    seize, interrupt, detach = 0x4206, 0x4207, 17
    process = psutil.Process(pid)
    before = {thread.id: thread.user_time for thread in process.threads()}
    time.sleep(0.5)
    busiest = max(process.threads(), key=lambda thread: thread.user_time - before.get(thread.id, 0))
    for _ in range(100):
        assert ptrace(seize, busiest.id, None, None) == 0, os.strerror(ctypes.get_errno())
        ptrace(interrupt, busiest.id, None, None)
        os.waitpid(busiest.id, 0x40000000)  # __WALL: it is a thread
        where = int(Path(f"/proc/{pid}/task/{busiest.id}/syscall").read_text().split()[-1], 16)
        maps = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
        ranges = [map_[0].split("-") for map_ in maps if "onnxruntime" in map_[-1]]
        if any(int(begin, 16) <= where < int(end, 16) for begin, end in ranges):
            break
        ptrace(detach, busiest.id, None, None)
        time.sleep(0.01)
    else:
        pytest.fail("the engine is never in ONNX Runtime")
    try:
        yield
    finally:
        ptrace(detach, busiest.id, None, None)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_restart_answers_every_request_once(broker: Broker, start: Start, protocol: str) -> None:
    """The one in the making before, those that wait, and those that come meanwhile, after."""
    service = start(EDGE_LLM_MQTT__PROTOCOL=protocol, EDGE_LLM_ENGINE__SLOTS=1, EDGE_LLM_ENGINE__GRACE_S=60)
    service.wait_connected()
    hub = Hub(broker.port, TOPICS.stream("panel"), TOPICS.reply("panel"), TOPICS.state)
    for name in ("active", "waiting", "waiting-too"):
        hub.publish(TOPICS.request("panel"), json.dumps({**LONG, "id": name, "max_tokens": 200}))
    eventually(lambda: begun(hub, "panel", "active"))
    eventually(lambda: service.log_text().count("request.accepted") == 3)
    service.process.send_signal(signal.SIGTERM)
    eventually(lambda: "service.stopping" in service.log_text())
    hub.publish(TOPICS.request("panel"), json.dumps({"id": "late", "text": "Hi", "max_tokens": 4}))
    hub.publish(TOPICS.request("panel"), json.dumps({"id": "not-kept", "text": "Hi"}), qos=0)
    assert service.process.wait(60) == 0
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"offline")
    before = [("not-kept", "unavailable"), ("active", "done")]
    eventually(lambda: terminals(hub, "panel") == before)
    hub.publish(TOPICS.request("panel"), json.dumps({"id": "away", "text": "Hi", "max_tokens": 4}))
    service.start()
    eventually(lambda: len(terminals(hub, "panel")) == 6)
    time.sleep(0.5)  # for what should not come
    after = {(name, "done"): 1 for name in ("waiting", "waiting-too", "late", "away")}
    assert Counter(terminals(hub, "panel")[2:]) == after
    assert service.stop() == 0
    hub.close()


def test_a_reply_that_outlasts_the_grace_time_is_made_after_the_restart(broker: Broker, start: Start) -> None:
    service = start(EDGE_LLM_ENGINE__GRACE_S=0.1)
    service.wait_connected()
    hub = Hub(broker.port, TOPICS.stream("panel"), TOPICS.reply("panel"))
    hub.publish(TOPICS.request("panel"), json.dumps({**LONG, "id": "story"}))
    eventually(lambda: begun(hub, "panel", "story"))
    assert service.stop() == 0
    assert terminals(hub, "panel") == []
    service.start()
    eventually(lambda: terminals(hub, "panel") == [("story", "done")], 60)
    hub.close()


def test_a_second_signal_ends_at_once(broker: Broker, start: Start) -> None:
    service = start(EDGE_LLM_ENGINE__GRACE_S=600)
    service.wait_connected()
    hub = Hub(broker.port, TOPICS.stream("panel"), TOPICS.reply("panel"), TOPICS.state)
    hub.publish(TOPICS.request("panel"), json.dumps({**LONG, "max_tokens": 1500, "id": "saga"}))
    eventually(lambda: begun(hub, "panel", "saga"))
    service.process.send_signal(signal.SIGTERM)
    eventually(lambda: "service.stopping" in service.log_text())
    assert service.stop() == -signal.SIGTERM
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"offline")
    assert "saga" not in dict(terminals(hub, "panel"))
    hub.close()


@pytest.mark.parametrize("length", [-1, 4096], ids=["changed", "cut"])
def test_weights_that_have_changed_are_not_served(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path, length: int
) -> None:
    good, path = bundle("int8"), tmp_path / "bundle"
    shutil.copytree(good.path, path)
    weights = (path / MODEL_DATA).read_bytes()
    (path / MODEL_DATA).write_bytes(weights[:length] + bytes([weights[-1] ^ 1]))
    service = Service(broker.port, replace(good, path=path), tmp_path / "log")
    assert service.process.wait(30) == 1
    assert f"{MODEL_DATA} does not match its checksum" in service.log_text().splitlines()[-1]
