"""The processes of the demo: a broker on loopback, and the service."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Literal

import psutil

from edge_llm.config import ENV_PREFIX, MqttSettings
from edge_llm.errors import EdgeLlmError

NODE = "demo"
_MOSQUITTO = "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
_AMQTT = """\
listeners:
  default: {{type: tcp, bind: "127.0.0.1:{port}"}}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {{allow_anonymous: true}}
"""


def free_port() -> int:
    """Find a free TCP port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[psutil.Popen]:
    """Run a command in a session of its own, so that Ctrl-C reaches this process alone; end it on exit."""
    with log.open("wb") as output:
        child = psutil.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        with suppress(psutil.NoSuchProcess):  # it has ended by itself
            child.terminate()
        try:
            child.wait(10)
        except psutil.TimeoutExpired:
            child.kill()
            child.wait()


def broker_command(port: int, directory: Path) -> tuple[list[str], Literal["5", "3.1.1"]]:
    """Choose a broker and its MQTT version: mosquitto (in /usr/sbin on Debian) if installed, else amqtt."""
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    config = directory / "broker.conf"
    config.write_text((_MOSQUITTO if mosquitto else _AMQTT).format(port=port), encoding="utf-8")
    if mosquitto:
        return [mosquitto, "-c", str(config)], "5"
    return [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(config)], "3.1.1"


@contextmanager
def running_broker() -> Iterator[MqttSettings]:
    """Run a broker on a free port of loopback; yields the settings of a connection to it.

    Raises:
        EdgeLlmError: it ended at once; its last line of output is in the text.
    """
    with tempfile.TemporaryDirectory(prefix="edge_llm-demo-") as directory:
        port, log = free_port(), Path(directory) / "broker.log"
        command, protocol = broker_command(port, Path(directory))
        with process(command, log) as broker:
            _wait_for_port(port, broker, log)
            yield MqttSettings(host="127.0.0.1", port=port, protocol=protocol)


@contextmanager
def running_service(
    mqtt: MqttSettings, bundle: Path, settings: Mapping[str, object]
) -> Iterator[psutil.Popen]:
    """Run the service at a broker; yields its process.

    ``settings`` are others than the broker's and the bundle, named as in ``engine__slots``.

    Raises:
        EdgeLlmError: it ended at once; its last line of output is in the text.
    """
    settings = {"node__id": NODE, "engine__bundle": bundle, "engine__grace_s": 0, **settings}
    settings |= {f"mqtt__{name}": getattr(mqtt, name) for name in ("host", "port", "protocol")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    environment |= {ENV_PREFIX + name.upper(): str(value) for name, value in settings.items()}
    with tempfile.TemporaryDirectory(prefix="edge_llm-demo-") as directory:
        log = Path(directory) / "service.log"
        with process([sys.executable, "-m", "edge_llm.cli", "serve"], log, environment) as service:
            _wait_for_line("service.ready", service, log)
            yield service


@contextmanager
def running_demo(bundle: Path, **engine: object) -> Iterator[tuple[MqttSettings, psutil.Popen]]:
    """Run broker and service without a house; yields the broker's settings and the service's process.

    ``engine`` are settings of that section beside ``bundle``.

    Raises:
        EdgeLlmError: one of the two ended at once; its last line of output is in the text.
    """
    settings = {f"engine__{name}": value for name, value in engine.items()}
    with running_broker() as mqtt, running_service(mqtt, bundle, settings) as service:
        yield mqtt, service


def _wait_for_port(port: int, broker: psutil.Popen, log: Path) -> None:
    for _ in _while_alive("the broker", broker, log):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return


def _wait_for_line(line: str, service: psutil.Popen, log: Path) -> None:
    for _ in _while_alive("the service", service, log):
        if line in log.read_text(encoding="utf-8"):
            return


def _while_alive(name: str, child: psutil.Popen, log: Path, timeout_s: float = 60.0) -> Iterator[None]:
    until = monotonic() + timeout_s
    while monotonic() < until:
        if child.poll() is not None:
            break
        yield
        sleep(0.02)
    words = log.read_text(encoding="utf-8").strip().splitlines() or ["it said nothing"]
    raise EdgeLlmError(f"{name} did not start: {words[-1]}")


def peak_rss_mb(pid: int) -> float:
    """Read the peak resident memory of a process in MB (10^6 bytes) from /proc."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak_kib) * 1024 / 1e6
