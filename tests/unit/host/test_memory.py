"""Locking memory, and the limit on it."""

import os
import subprocess
import sys

from edge_llm.host.memory import read_memory
from tests.unit.host.fake_host import FakeHost

# Root may lock whatever it likes; nobody is held to the limit.
LOCK = """
import os, resource
from edge_llm.errors import ConfigError
from edge_llm.host.memory import lock_memory
resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
if os.geteuid() == 0:
    os.setuid(65534)
try:
    lock_memory()
except ConfigError as error:
    print(error)
"""


def test_a_limit_on_locked_memory_is_one_line_that_says_what_to_do() -> None:
    done = subprocess.run([sys.executable, "-c", LOCK], capture_output=True, text=True, check=True)
    assert "engine.mlock: the host refuses to lock the memory (Cannot allocate memory)" in done.stdout
    assert "LimitMEMLOCK=infinity" in done.stdout
    assert "ulimit -l unlimited" in done.stdout
    assert done.stdout.count("\n") == 1


def test_memory_is_read_in_bytes(host: FakeHost) -> None:
    host.write("proc/meminfo", "MemTotal:  2048 kB\nMemFree:  1 kB\nMemAvailable:  1024 kB")
    assert read_memory(host.root) == {"total_bytes": 2 << 20, "available_bytes": 1 << 20}
    assert read_memory(host.root / os.devnull.lstrip("/")) == {}
