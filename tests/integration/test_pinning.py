"""Where the engine's threads of a real service run, and what it says of that."""

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from edge_llm.bundle import Bundle
from edge_llm.config import TelemetrySettings
from edge_llm.convert.prepare import Quantization
from tests.conftest import TOPICS, Broker, Hub, Service, eventually

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


@pytest.fixture(scope="module")
def demo(bundle: Callable[[Quantization], Bundle]) -> Bundle:
    return bundle("int8")


def allowed(pid: int) -> dict[str, str]:
    """Cpus_allowed_list of every thread of a process, by the thread's number."""
    lists = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        lists[task.name] = fields["Cpus_allowed_list"].strip()
    return lists


def info_of(broker: Broker) -> dict[str, object]:
    hub = Hub(broker.port, TOPICS.info)
    info: dict[str, object] = json.loads(eventually(lambda: hub.on(TOPICS.info))[-1])
    hub.close()
    return info


def ask(broker: Broker) -> dict[str, object]:
    hub = Hub(broker.port, TOPICS.reply("panel"))
    hub.publish(TOPICS.request("panel"), json.dumps({"text": "Say hello.", "max_tokens": 3}))
    reply: dict[str, object] = json.loads(eventually(lambda: hub.on(TOPICS.reply("panel")))[0])
    hub.close()
    return reply


def test_a_service_on_core_0_infers_there(broker: Broker, demo: Bundle, tmp_path: Path) -> None:
    """With one core there are no workers: one thread more than any other is bound, to CPU 0."""
    service = Service(broker.port, demo, tmp_path / "log", EDGE_LLM_ENGINE__INFERENCE_CORES="0")
    service.wait_connected()
    bound = [cpus for cpus in allowed(service.process.pid).values() if cpus == "0"]
    assert len(bound) == (1 if os.cpu_count() != 1 else len(allowed(service.process.pid)))
    assert info_of(broker)["pinning"] == {"requested": "0", "effective": "0", "mode": "pinned"}
    assert service.stop() == 0


@pytest.mark.skipif(not {0, 1} <= os.sched_getaffinity(0), reason="needs CPUs 0 and 1")
def test_each_inference_thread_has_its_core(broker: Broker, demo: Bundle, tmp_path: Path) -> None:
    service = Service(broker.port, demo, tmp_path / "log", EDGE_LLM_ENGINE__INFERENCE_CORES="0,1")
    service.wait_connected()
    lists = list(allowed(service.process.pid).values())
    assert sorted(cpus for cpus in lists if cpus in ("0", "1")) == ["0", "1"]
    assert info_of(broker)["pinning"] == {"requested": "0,1", "effective": "0-1", "mode": "pinned"}
    assert service.stop() == 0


def test_an_idle_node_uses_less_than_a_hundredth_of_a_core(
    broker: Broker, demo: Bundle, tmp_path: Path
) -> None:
    """With the model loaded, warm from a reply, and connected."""
    service = Service(broker.port, demo, tmp_path / "log")
    service.wait_connected()
    assert ask(broker)["type"] == "done"
    time.sleep(0.5)
    process = psutil.Process(service.process.pid)
    before, begun = process.cpu_times(), time.monotonic()
    time.sleep(TelemetrySettings().period_s)  # one snapshot's work in it, wherever it begins
    after, elapsed_s = process.cpu_times(), time.monotonic() - begun
    assert after.user + after.system - before.user - before.system < 0.01 * elapsed_s
    assert service.stop() == 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter knows x86-64's system calls")
def test_where_affinity_is_denied_inference_goes_on(broker: Broker, demo: Bundle, tmp_path: Path) -> None:
    """As in a container whose seccomp profile has no sched_setaffinity."""
    (tmp_path / "sitecustomize.py").write_text(DENY_SETAFFINITY)
    service = Service(
        broker.port,
        demo,
        tmp_path / "log",
        EDGE_LLM_ENGINE__INFERENCE_CORES="0",
        PYTHONPATH=str(tmp_path),
    )
    service.wait_connected()
    assert '"pinning.denied", "core": 0, "reason": "Operation not permitted"' in service.log_text()
    everywhere = Path("/proc/self/status").read_text().split("Cpus_allowed_list:")[1].split()[0]
    pinning = {"requested": "0", "effective": everywhere, "mode": "denied"}
    assert info_of(broker)["pinning"] == pinning
    assert ask(broker)["type"] == "done"
    assert service.stop() == 0
