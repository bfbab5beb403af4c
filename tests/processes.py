"""The processes that tests talk to: a mosquitto, nodes with the demo model, and `edge-llm web`."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol, Self

from edge_llm.bundle import Bundle
from edge_llm.config import DOCUMENTS_ID
from edge_llm.contract.topics import ONLINE, Topics
from edge_llm.demo.processes import free_port
from tests.common import NODE, answers, eventually
from tests.conversation import Hub


class HasPort(Protocol):
    """Any broker."""

    @property
    def port(self) -> int: ...


class Broker:
    """A real mosquitto on a port of its own, that can be killed and started again."""

    def __init__(self, directory: Path, config: str = "") -> None:
        self.port = free_port()
        self._config = directory / "mosquitto.conf"
        # mosquitto drops, in silence, what is above 1,000 messages a client (max_queued_messages).
        unbounded = "max_queued_messages 0\n"
        open_to_all = f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{unbounded}"
        self._config.write_text(config.replace("{port}", str(self.port)) or open_to_all)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        path = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        assert path, "install mosquitto (scripts/test does)"
        self._process = subprocess.Popen([path, "-c", self._config], stderr=subprocess.DEVNULL)
        eventually(lambda: answers(self.port))

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()


def clean_environment() -> dict[str, str]:
    """This process's environment without the settings of a node."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EDGE_LLM_")}


def caught_signals(pid: int) -> int:
    """The signals that a process has a handler for, as a mask."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["SigCgt"], 16)


class Service:
    """A real `edge-llm serve` process.

    ``settings`` are named as in the configuration, ``engine__slots``; those in capitals are variables of the
    environment.
    """

    command: ClassVar = "serve"

    def __init__(self, port: int, bundle: Bundle | None, log: Path, **settings: object) -> None:
        self.log = log
        self._port = port
        self._topics = Topics(str(settings.get("mqtt__base_topic", "edge_llm")), self._own_id(settings))
        defaults = {"mqtt__host": "127.0.0.1", "mqtt__port": port, "node__id": NODE}
        defaults |= {"engine__bundle": bundle.path} if bundle else {}
        self._environment = clean_environment() | {
            name if name.isupper() else f"EDGE_LLM_{name.upper()}": str(value)
            for name, value in {**defaults, **settings}.items()
        }
        self.start()

    @staticmethod
    def _own_id(settings: Mapping[str, object]) -> str:
        return str(settings.get("node__id", NODE))

    def start(self) -> None:
        self.ended_by_test = False
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "edge_llm.cli", self.command]
            self.process = subprocess.Popen(command, env=self._environment, stderr=log)

    def log_text(self) -> str:
        return self.log.read_text()

    def wait_for(self, event: str) -> None:
        """Wait for an event in the log of the process that runs now."""
        eventually(lambda: event in self.log_text()[self._log_from :])

    def wait_ready(self) -> None:
        """Wait until it has a model, and ends in order when it is told to."""
        self.wait_for("service.ready")
        eventually(lambda: caught_signals(self.process.pid) & 1 << signal.SIGTERM - 1)

    def wait_serving(self) -> None:
        """Wait until it answers what is asked through its broker, whom anybody may listen to."""
        self.wait_ready()
        self.wait_for("mqtt.connected")
        hub = Hub(self._port, self._topics.state, version="3.1.1")  # which every broker speaks
        eventually(lambda: hub.on(self._topics.state)[-1:] == [ONLINE])
        hub.close()

    def restart(self) -> None:
        """Start it again, and wait until it serves."""
        self.start()
        self.wait_serving()

    def wait_ended(self, timeout_s: float = 60.0) -> int:
        """The exit code of a process that ends as the test wants it to."""
        self.ended_by_test = True
        return self.process.wait(timeout_s)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        return self.wait_ended()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Documents(Service):
    """A real `edge-llm documents` process; it needs no bundle."""

    command = "documents"

    @staticmethod
    def _own_id(settings: Mapping[str, object]) -> str:
        return str(settings.get("documents__id", DOCUMENTS_ID))


class Nodes:
    """Starts nodes at a broker, and ends those that the test leaves behind: each must end with code 0."""

    def __init__(self, broker: HasPort, bundle: Bundle, directory: Path) -> None:
        self._broker = broker
        self._bundle = bundle
        self._directory = directory
        self._started: list[Service] = []

    def __call__(self, *, wait: bool = True, bundle: Bundle | None = None, **settings: object) -> Service:
        """A node with these settings, which serves, or with ``wait=False`` has just been started."""
        log = self._directory / f"log{len(self._started)}"
        service = Service(self._broker.port, bundle or self._bundle, log, **settings)
        self._started.append(service)
        if wait:
            service.wait_serving()
        return service

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        codes = [self._end(service) for service in self._started if not service.ended_by_test]
        assert codes == [0] * len(codes)

    @staticmethod
    def _end(service: Service) -> int:
        try:
            if service.process.poll() is None:
                service.wait_ready()
                return service.stop()
            return service.process.returncode
        finally:
            service.process.kill()
            service.process.wait()


class Web:
    """A real `edge-llm web` process before the node; callers need the token, if there is one."""

    def __init__(self, broker: HasPort, log: Path, token: str = "") -> None:
        self._port = port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._key = {"Authorization": f"Bearer {token}"} if token else {}
        settings = {"MQTT__HOST": "127.0.0.1", "MQTT__PORT": broker.port, "NODE__ID": NODE, "WEB__PORT": port}
        if token:
            settings["WEB__TOKEN_FILE"] = str(path := log.with_name("token"))
            path.write_text(token)
        environment = clean_environment() | {
            f"EDGE_LLM_{name}": str(value) for name, value in settings.items()
        }
        with log.open("wb") as output:
            command = [sys.executable, "-m", "edge_llm.cli", "web"]
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        eventually(lambda: self._answers("/healthz"))
        eventually(lambda: self._answers("/v1/models"))

    def _answers(self, path: str) -> bool:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", headers=self._key)
        try:
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - http, of the line above
        except OSError:  # also HTTPError
            return False
        return True

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)
