"""The pinning that a node publishes is what the kernel says of its threads."""

from pathlib import Path

import pytest

from edge_llm.engine.engine import effective_pinning
from edge_llm.host.cpu import PinningPlan
from edge_llm.host.pinning import thread_ids
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
    tmp_path: Path, of_engine: str, of_worker: str, mode: str, effective: str, result: str
) -> None:
    host = FakeHost(tmp_path)
    for thread, cpus in ((10, "0-7"), (11, of_engine), (12, of_worker)):
        host.write(f"proc/self/task/{thread}/status", f"Name:\tx\nCpus_allowed_list:\t{cpus}")
    assert thread_ids(host.root) == {10, 11, 12}
    pinning = effective_pinning(plan(mode), (11, 12, 13), host.root)  # 13 has ended
    assert (pinning.requested, pinning.effective, pinning.mode) == ("2-3", effective, result)
