"""Brokers that are not the system's mosquitto, with the same few methods as conftest's."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image may be out of reach; we clean up

import pytest
from testcontainers.core.container import DockerContainer

from edge_llm.demo.processes import free_port
from tests.common import answers, eventually

IMAGE = "eclipse-mosquitto:2"
_MOSQUITTO = "listener 1883\nallow_anonymous true\npersistence true\npersistence_location /mosquitto/data/\n"


class ContainerBroker:
    """The mosquitto that its makers publish, in a container."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        (directory / "data").mkdir()
        directory.chmod(0o755)
        (directory / "data").chmod(0o777)
        config = directory / "mosquitto.conf"
        config.write_text(_MOSQUITTO)
        self._container = (
            DockerContainer(IMAGE)
            .with_bind_ports(1883, self.port)
            .with_volume_mapping(str(config), "/mosquitto/config/mosquitto.conf")
            .with_volume_mapping(str(directory / "data"), "/mosquitto/data", "rw")
        )
        self._begun = False

    def start(self) -> None:
        if self._begun:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._begun = True
        eventually(lambda: answers(self.port))

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        self._container.stop()


class RumqttBroker:
    """rumqttd, which speaks 3.1.1 on this port and keeps sessions in memory."""

    def __init__(self) -> None:
        self.port = free_port()

    def start(self) -> None:
        options = json.dumps({"config_path": None, "listen": "127.0.0.1", "port": self.port})
        command = [sys.executable, "-c", "from iotcore._serve import main; main()", options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        eventually(lambda: answers(self.port))

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def container_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerBroker]:
    broker = ContainerBroker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.remove()
