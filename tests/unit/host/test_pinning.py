"""Threads are bound and read back; a host that denies it is said in the log."""

import os
import threading

import pytest

from edge_llm.host.pinning import allowed_cpus, pin_this_thread, thread_ids
from tests.unit.host.fake_host import FakeHost


def test_the_cpus_of_each_thread_are_those_that_the_kernel_allows(host: FakeHost) -> None:
    for thread, cpus in ((11, "2"), (12, "0-7:7")):
        host.write(f"proc/self/task/{thread}/status", f"Name:\tx\nCpus_allowed_list:\t{cpus}")
    assert thread_ids(host.root) == {11, 12}
    assert allowed_cpus((11, 12, 13), host.root) == [(2,), (0, 7)]  # 13 has ended


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
    assert caplog.messages == ["pinning.denied cpus=0 reason='Operation not permitted'"]
