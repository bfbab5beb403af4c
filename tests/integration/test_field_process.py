"""What starts the service, and what it finds in its environment."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from edge_llm.demo.processes import free_port
from tests.common import eventually


def test_nohup_is_respected_and_a_kubernetes_service_is_no_typing_error(
    bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    """Without a broker: it is ready all the same."""
    environment = os.environ | {
        "EDGE_LLM_ENGINE__BUNDLE": str(bundle("int8").path),
        "EDGE_LLM_MQTT__PORT": str(free_port()),
        "EDGE_LLM_PORT": "tcp://10.96.0.17:1883",
        "EDGE_LLM_SERVICE_HOST": "10.96.0.17",
    }
    log = tmp_path / "log"
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", "edge_llm.cli", "serve"],
            env=environment,
            stderr=file,
            preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_IGN),  # noqa: PLW1509 - what nohup does
        ) as service,
    ):
        eventually(lambda: "service.ready" in log.read_text())
        service.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert service.poll() is None
        service.terminate()
        assert service.wait(20) == 0
    events = [json.loads(line) for line in log.read_text().splitlines()]
    (ignored,) = [event for event in events if event["event"] == "config.ignored"]
    assert ignored["variables"] == ["EDGE_LLM_PORT", "EDGE_LLM_SERVICE_HOST"]
    (stopping,) = [event for event in events if event["event"] == "service.stopping"]
    assert stopping["signal"] == "SIGTERM"
