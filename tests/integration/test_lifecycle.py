"""Under a service manager: what a service reports, and how it ends and comes back with no request lost."""

import ctypes
import os
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import psutil
import pytest

from edge_llm.bundle import MODEL_DATA, Bundle
from tests.common import TOPICS, eventually
from tests.conftest import fresh_broker
from tests.conversation import LONG, Conversation, Hub
from tests.processes import Broker, Nodes


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


def test_it_is_ready_without_a_broker_and_says_what_it_waits_for(
    broker: Broker, manager: Manager, node: Nodes
) -> None:
    broker.kill()
    service = node(wait=False, NOTIFY_SOCKET=manager.path, WATCHDOG_USEC=200_000)
    eventually(lambda: any("refused" in line for line in manager.heard()))
    heard = manager.heard()
    assert heard[0] == "STATUS=loading the model"
    assert heard.count("READY=1") == 1
    broker.start()
    eventually(lambda: any(line.startswith("STATUS=serving") for line in manager.heard()))
    manager.forget()
    eventually(lambda: manager.heard().count("WATCHDOG=1") > 3)
    assert "STOPPING=1" not in manager.heard()
    assert service.stop() == 0
    assert "STOPPING=1" in manager.heard()


def test_a_long_prefill_feeds_the_watchdog(manager: Manager, node: Nodes, hub: Hub) -> None:
    node(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC=200_000)
    panel = Conversation(hub, "panel")
    panel.send(text="word " * 1500, max_tokens=1)
    eventually(lambda: "prefill" in panel.states())
    manager.forget()
    panel.ended()
    assert manager.heard().count("WATCHDOG=1") > 3


def test_a_stuck_step_does_not_feed_it(manager: Manager, node: Nodes, hub: Hub) -> None:
    """The engine's thread is stopped amid a forward pass; the others go on."""
    service = node(
        NOTIFY_SOCKET=manager.path,
        WATCHDOG_USEC=200_000,
        engine__inference_cores="0",
        engine__context_tokens=4096,
    )
    panel, other = Conversation(hub, "panel"), Conversation(hub, "other")
    panel.send(**LONG | {"max_tokens": 3000}, id="endless")
    panel.begun()
    with frozen_in_a_forward_pass(service.process.pid):
        other.say("Hi")
        eventually(other.frames)
        time.sleep(0.5)  # a look under way at the stop, and the first one after it, may find the turns before
        manager.forget()
        time.sleep(1)  # twenty looks
        assert "WATCHDOG=1" not in manager.heard()
    eventually(lambda: manager.heard().count("WATCHDOG=1") > 3)
    panel.cancel()
    assert other.ended()[-1]["type"] == "done"
    assert service.stop(signal.SIGABRT) == -signal.SIGABRT  # what systemd does then
    assert "scheduler.py" in service.log_text()  # where the engine was


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


@pytest.mark.parametrize("protocol", ["5", pytest.param("3.1.1", marks=pytest.mark.long)])
def test_a_restart_answers_every_request_once(node: Nodes, hub: Hub, protocol: str) -> None:
    """The one in the making before, those that wait, and those that come meanwhile, after."""
    service = node(mqtt__protocol=protocol, engine__slots=1, engine__grace_s=60)
    panel = Conversation(hub, "panel")
    for name in ("active", "waiting", "waiting-too"):
        panel.send(**LONG | {"max_tokens": 200}, id=name)
    panel.begun("active")
    eventually(lambda: service.log_text().count("request.accepted") == 3)
    service.process.send_signal(signal.SIGTERM)
    service.wait_for("service.stopping")
    panel.send(id="late", text="Hi", max_tokens=4)
    panel.send(id="not-kept", text="Hi", qos=0)
    assert service.wait_ended() == 0
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"offline")
    before = [("not-kept", "unavailable"), ("active", "done")]
    eventually(lambda: outcomes(panel) == before)
    panel.send(id="away", text="Hi", max_tokens=4)
    service.start()
    panel.answered(6)
    panel.settle()
    after = {(name, "done"): 1 for name in ("waiting", "waiting-too", "late", "away")}
    assert Counter(outcomes(panel)[2:]) == after


def outcomes(conversation: Conversation) -> list[tuple[str, str]]:
    return [(frame["id"], frame.get("code", frame["type"])) for frame in conversation.replies()]


def test_a_reply_that_outlasts_the_grace_time_is_made_after_the_restart(node: Nodes, hub: Hub) -> None:
    service = node(engine__grace_s=0.1)
    panel = Conversation(hub, "panel")
    panel.send(**LONG | {"max_tokens": 500}, id="story")
    panel.begun("story")
    assert service.stop() == 0
    assert outcomes(panel) == []
    service.start()
    panel.ended("story")
    panel.settle()
    assert outcomes(panel) == [("story", "done")]


def test_a_second_signal_ends_at_once(node: Nodes, hub: Hub) -> None:
    service = node(engine__grace_s=600)
    panel = Conversation(hub, "panel")
    panel.send(**LONG, id="saga")
    panel.begun("saga")
    service.process.send_signal(signal.SIGTERM)
    service.wait_for("service.stopping")
    assert service.stop() == -signal.SIGTERM
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"offline")
    assert "saga" not in dict(outcomes(panel))


@pytest.mark.parametrize("length", [-1, 4096], ids=["changed", "cut"])
def test_weights_that_have_changed_are_not_served(
    node: Nodes, int8: Bundle, tmp_path: Path, length: int
) -> None:
    path = tmp_path / "bundle"
    shutil.copytree(int8.path, path)
    weights = (path / MODEL_DATA).read_bytes()
    (path / MODEL_DATA).write_bytes(weights[:length] + bytes([weights[-1] ^ 1]))
    service = node(wait=False, bundle=replace(int8, path=path))
    assert service.wait_ended() == 1
    assert f"{MODEL_DATA} does not match its checksum" in service.log_text().splitlines()[-1]
