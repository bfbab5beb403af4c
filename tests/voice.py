"""A real `edge-llm voice` before the node, and the example of a room."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from edge_llm.demo.processes import free_port, process
from tests.common import NODE, answers, eventually
from tests.processes import HasPort, clean_environment

EXAMPLE = Path(__file__).parents[1] / "config/voice/room.py"


@contextmanager
def running(broker: HasPort, directory: Path, **settings: object) -> Iterator[str]:
    """Run the server at a broker; yields its URI."""
    port = free_port()
    given = {"MQTT__HOST": "127.0.0.1", "MQTT__PORT": broker.port, "NODE__ID": NODE, "VOICE__PORT": port}
    environment = clean_environment() | {
        f"EDGE_LLM_{name.upper()}": str(value) for name, value in {**given, **settings}.items()
    }
    command = [sys.executable, "-m", "edge_llm.cli", "voice"]
    with process(command, directory / "voice.log", environment) as server:
        eventually(lambda: answers(port))
        yield f"tcp://127.0.0.1:{port}"
    assert server.wait() == 0  # it ends in order


@contextmanager
def serving(command: list[str], port: int, log: Path) -> Iterator[str]:
    """Run a Wyoming server of somebody else's that is to listen on a port; yields its URI."""
    with process(command, log) as server:
        eventually(lambda: answers(port) or server.poll() is not None)
        assert server.poll() is None, log.read_text()
        yield f"tcp://127.0.0.1:{port}"


def room() -> ModuleType:
    """The example of a room, as a module."""
    spec = importlib.util.spec_from_file_location("room", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
