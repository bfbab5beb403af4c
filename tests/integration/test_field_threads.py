"""A thread that ends is noticed, and ends the process: with systemd, and without."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from tests.common import NODE
from tests.processes import Broker

PROGRAM = """
import threading, sys
from pathlib import Path
import edge_llm.host.signals
from edge_llm.node import process
edge_llm.host.signals.LOOK_EVERY_S = 0.5
{sabotage}
from edge_llm.event_log import configure_logging
from edge_llm.config import load_settings
configure_logging()
process.serve(load_settings(None))
"""
SABOTAGE = {
    "publisher": """
from edge_llm.gateway.in_flight import InFlight
def fail(self, **_): raise RuntimeError("a fault")
InFlight.drain_submitted = fail
""",
    "telemetry": """
from edge_llm.telemetry.collector import Collector
Collector._run = lambda self: None
""",
    "mqtt": """
from edge_llm.mqtt.connection import Connection
def fail(self, wake): raise SystemExit
Connection._attend = fail
""",
    "engine": """
from edge_llm.engine.scheduler import Scheduler
def fail(self): raise RuntimeError("a fault")
Scheduler.run = fail
""",
}


@pytest.mark.parametrize("thread", sorted(SABOTAGE))
def test_the_process_ends_with_an_error_that_is_logged(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path, thread: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_LLM_")}
    environment |= {
        "EDGE_LLM_MQTT__HOST": "127.0.0.1",
        "EDGE_LLM_MQTT__PORT": str(broker.port),
        "EDGE_LLM_NODE__ID": NODE,
        "EDGE_LLM_ENGINE__BUNDLE": str(bundle("int8").path),
    }
    program = PROGRAM.replace("{sabotage}", SABOTAGE[thread])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 70
    assert "service.died" in done.stderr
    assert f'"thread": "{thread}"' in done.stderr
    if thread in ("publisher", "engine"):
        assert "in fail" in done.stderr  # its stack
        assert "a fault" not in done.stderr.replace('RuntimeError(\\"a fault\\")', "")
