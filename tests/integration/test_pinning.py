"""Where the engine's threads of a real service run, and what it says of that."""

import json
import os
import platform
from pathlib import Path

import pytest

from edge_llm.host.instructions import integer_instructions, read_flags
from tests.common import TOPICS, eventually
from tests.conversation import Conversation, Hub
from tests.processes import Nodes

DENY_SETAFFINITY = """
import ctypes, errno, struct
SCHED_SETAFFINITY, LOAD, JUMP_IF_EQUAL, RETURN, ALLOW, FAIL = 203, 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000
program = ctypes.create_string_buffer(b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (LOAD, 0, 0, 0),
        (JUMP_IF_EQUAL, 0, 1, SCHED_SETAFFINITY),
        (RETURN, 0, 0, FAIL | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    )
))
pointer = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(program)))
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
libc = ctypes.CDLL(None)
assert libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
assert libc.prctl(SECCOMP, FILTER, pointer) == 0
"""


def allowed(pid: int) -> list[str]:
    """Cpus_allowed_list of every thread of a process."""
    lists = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        lists.append(fields["Cpus_allowed_list"].strip())
    return lists


def pinning_of(hub: Hub) -> dict[str, str]:
    pinning: dict[str, str] = json.loads(eventually(lambda: hub.on(TOPICS.info))[-1])["pinning"]
    return pinning


def test_a_service_on_core_0_infers_there(node: Nodes, hub: Hub) -> None:
    """With one core there are no workers: one thread more than any other is bound, to CPU 0."""
    service = node(engine__inference_cores="0")
    threads = allowed(service.process.pid)
    assert threads.count("0") == (1 if os.cpu_count() != 1 else len(threads))
    assert pinning_of(hub) == {"requested": "0", "effective": "0", "mode": "pinned"}


@pytest.mark.skipif(not {0, 1} <= os.sched_getaffinity(0), reason="needs CPUs 0 and 1")
def test_each_inference_thread_has_its_core(node: Nodes, hub: Hub) -> None:
    service = node(engine__inference_cores="0,1")
    workers = [cpus for cpus in allowed(service.process.pid) if cpus in ("0", "1")]
    graphs = (
        2 if integer_instructions(read_flags()) else 1
    )  # each has a session with a worker on the other core
    assert sorted(workers) == ["0", *graphs * ["1"]]
    assert pinning_of(hub) == {"requested": "0,1", "effective": "0-1", "mode": "pinned"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter knows x86-64's system calls")
def test_where_affinity_is_denied_inference_goes_on(node: Nodes, hub: Hub, tmp_path: Path) -> None:
    """As in a container whose seccomp profile has no sched_setaffinity."""
    (tmp_path / "sitecustomize.py").write_text(DENY_SETAFFINITY)
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    service = node(engine__inference_cores="0", PYTHONPATH=path)
    assert '"pinning.denied", "cpus": "0", "reason": "Operation not permitted"' in service.log_text()
    everywhere = Path("/proc/self/status").read_text().split("Cpus_allowed_list:")[1].split()[0]
    assert pinning_of(hub) == {"requested": "0", "effective": everywhere, "mode": "denied"}
    assert Conversation(hub, "panel").ask(text="Say hello.", max_tokens=3)[-1]["type"] == "done"
