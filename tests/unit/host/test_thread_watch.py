"""The end of a thread is noticed, with its stack, and ends the process."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from edge_llm.host.thread_watch import ThreadWatch


@pytest.fixture
def died() -> list[str]:
    return []


@pytest.fixture
def watch(died: list[str]) -> Iterator[ThreadWatch]:
    watch = ThreadWatch(died.append)
    watch.start()
    yield watch
    watch.close()


def test_an_error_is_reported_at_once_with_its_stack_and_without_its_message(
    watch: ThreadWatch, died: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("the prompt")

    thread = threading.Thread(target=fail, name="engine")
    thread.start()
    thread.join()
    assert died == ["engine"]
    assert "RuntimeError" in caplog.text
    assert "in fail" in caplog.text
    assert "the prompt" not in caplog.text.replace('"the prompt"', "")  # its own line in the stack aside


def test_a_quiet_end_is_reported_at_the_next_look_once(watch: ThreadWatch, died: list[str]) -> None:
    going = threading.Event()
    thread = threading.Thread(target=going.wait, name="telemetry")
    thread.start()
    watch.watch(["telemetry"])
    watch.look()
    assert died == []
    going.set()
    thread.join()
    watch.look()
    watch.look()
    assert died == ["telemetry"]


def test_one_that_was_never_there_is_reported(watch: ThreadWatch, died: list[str]) -> None:
    watch.watch(["publisher"])
    watch.look()
    assert died == ["publisher"]


def test_a_stop_lets_threads_end(watch: ThreadWatch, died: list[str]) -> None:
    watch.watch(["publisher"])
    watch.stop()
    watch.look()
    assert died == []


def test_the_process_ends_though_other_threads_hang() -> None:
    program = (
        "import threading\n"
        "from edge_llm.host.thread_watch import ThreadWatch\n"
        "ThreadWatch().start()\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "threading.Thread(target=lambda: 1 / 0, name='mqtt').start()\n"
        "threading.Event().wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert done.returncode == 70
    assert b"mqtt" in done.stderr
    assert b"ZeroDivisionError" in done.stderr
