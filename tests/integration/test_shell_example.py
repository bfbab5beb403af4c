"""config/shell/ask, run for real."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.common import NODE
from tests.processes import Broker, Nodes, Service

ASK = Path(__file__).parents[2] / "config/shell/ask"


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    return module_node()


def ask(broker: Broker, prompt: str, *options: str) -> subprocess.Popen[str]:
    command = [str(ASK), NODE, prompt, "-p", str(broker.port), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_streams_a_reply(broker: Broker, service: Service) -> None:
    """Whatever is in the prompt: it is JSON before it is sent."""
    asking = ask(broker, 'What is the capital of Japan? Say "Tokyo", not {"text": 1}.')
    printed, complaint = asking.communicate(timeout=60)
    assert (asking.returncode, complaint) == (0, "")
    assert "Tokyo" in printed
    assert printed.splitlines()[-1].endswith("tokens/s, stop]")


def test_ctrl_c_cancels(broker: Broker, service: Service) -> None:
    asking = ask(broker, "Count to one thousand.")
    assert asking.stdout
    asking.stdout.read(1)
    asking.send_signal(signal.SIGINT)
    assert "cancelled]" in asking.communicate(timeout=60)[0]


def test_a_node_that_is_away_is_said_to_be(broker: Broker, service: Service) -> None:
    service.stop()
    asking = ask(broker, "Hi")
    assert asking.communicate(timeout=60) == ("", f"{NODE} is offline\n")
    assert asking.returncode == 1
    service.restart()
