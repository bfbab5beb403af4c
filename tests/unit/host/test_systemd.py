"""The service manager gets the service's state, and its watchdog is fed as long as work gets on."""

import os
import socket
import threading
from pathlib import Path

import pytest

from edge_llm.host.systemd import Supervision, notify, watchdog_s


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """A socket in the abstract name space, as systemd's may be."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(f"\0edge_llm-test-{os.getpid()}")
    manager.setblocking(False)  # noqa: FBT003 - socket's
    monkeypatch.setenv("NOTIFY_SOCKET", f"@edge_llm-test-{os.getpid()}")
    return manager


def test_assignments_are_lines_of_one_datagram(manager: socket.socket) -> None:
    with manager:
        notify("READY=1", "STATUS=well")
        assert manager.recv(100) == b"READY=1\nSTATUS=well"


def test_where_nobody_listens_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


def test_the_watchdog_is_for_the_process_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert watchdog_s() is None
    monkeypatch.setenv("WATCHDOG_USEC", "1500000")
    assert watchdog_s() == 1.5
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_s() == 1.5
    monkeypatch.setenv("WATCHDOG_PID", str(os.getppid()))
    assert watchdog_s() is None


def test_idleness_and_progress_feed_it_and_a_standstill_does_not(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    looks = iter(
        [(None, "idle"), (None, "idle"), (1, "busy"), (2, "busy"), (2, "busy"), (2, "stuck"), (3, "on")]
    )
    supervision = Supervision(lambda: now, lambda: status)
    heard = []
    with manager:
        for now, status in looks:  # noqa: B007 - the lambdas look at them
            supervision.report()
            try:
                heard.append(manager.recv(100).decode().split("\n"))
            except BlockingIOError:
                heard.append([])
    assert heard == [
        ["STATUS=idle", "WATCHDOG=1"],
        ["WATCHDOG=1"],
        ["STATUS=busy", "WATCHDOG=1"],
        ["WATCHDOG=1"],
        [],
        ["STATUS=stuck"],
        ["STATUS=on", "WATCHDOG=1"],
    ]


def test_its_thread_reports_until_it_is_stopped(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    supervision = Supervision(lambda: None, lambda: "well")
    supervision.start()
    with manager:
        manager.settimeout(5)
        assert manager.recv(100) == b"STATUS=well\nWATCHDOG=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        assert "watchdog" in {thread.name for thread in threading.enumerate()}
        supervision.stop()
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}


def test_where_nobody_listens_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    supervision = Supervision(lambda: None, lambda: "well")
    supervision.start()
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}
    supervision.stop()
