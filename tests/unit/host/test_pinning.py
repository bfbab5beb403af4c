"""What became of a plan, read back; and a host that allows none."""

import os
import threading

import pytest

from edge_llm.host.cpu import PinningPlan
from edge_llm.host.pinning import effective_pinning, pin_this_thread, thread_ids
from tests.unit.host.fake_host import FakeHost


def plan(mode: str = "pinned") -> PinningPlan:
    return PinningPlan("2-3", (2, 3), (), "none" if mode == "none" else "pinned")


@pytest.mark.parametrize(
    ("of_engine", "of_worker", "mode", "effective", "result"),
    [
        ("2", "3", "pinned", "2-3", "pinned"),
        ("3", "2", "pinned", "2-3", "pinned"),
        ("2", "2", "pinned", "2", "denied"),
        ("2", "0-7", "pinned", "0-7", "denied"),
        ("0-7", "0-7", "pinned", "0-7", "denied"),
        ("0-7", "0-7", "none", "0-7", "none"),
    ],
)
def test_the_effective_pinning_is_what_the_kernel_says(
    host: FakeHost, of_engine: str, of_worker: str, mode: str, effective: str, result: str
) -> None:
    for thread, cpus in ((10, "0-7"), (11, of_engine), (12, of_worker)):
        host.write(f"proc/self/task/{thread}/status", f"Name:\tx\nCpus_allowed_list:\t{cpus}")
    assert thread_ids(host.root) == {10, 11, 12}
    pinning = effective_pinning(plan(mode), (11, 12, 13), host.root)  # 13 has ended
    assert (pinning.requested, pinning.effective, pinning.mode) == ("2-3", effective, result)


def test_a_thread_binds_itself_and_no_other() -> None:
    core = min(os.sched_getaffinity(0))
    before, inside = os.sched_getaffinity(0), set()

    def run() -> None:
        pin_this_thread(core)
        inside.update(os.sched_getaffinity(0))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == {core}
    assert os.sched_getaffinity(0) == before


def test_a_host_that_denies_is_named_in_the_log_and_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def denied(_pid: int, _cores: set[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", denied)
    pin_this_thread(0)
    assert caplog.messages == ["pinning.denied core=0 reason='Operation not permitted'"]
