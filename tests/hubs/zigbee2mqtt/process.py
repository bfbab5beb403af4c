"""A real zigbee2mqtt whose Zigbee network is simulated."""

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from edge_llm.demo.processes import free_port, process
from tests.common import eventually
from tests.hubs.zigbee2mqtt import devices

MODULES = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "edge_llm/zigbee2mqtt-2.14.1/node_modules"
)
"""Put there by scripts/test-hubs."""
ADAPTER = Path(__file__).with_name("adapter.cjs")


class Network:
    """The simulated devices, as they are."""

    def __init__(self, port: int) -> None:
        self._port = port

    def memory(self, name: str) -> dict[str, Any]:
        """What a device holds: attributes by endpoint and cluster."""
        held: dict[str, Any] = self._send({})[devices.address(name)]
        return held

    def report(self, name: str, memory: devices.Memory) -> None:
        """Let a device have other values, and tell them."""
        self._send({devices.address(name): memory})

    def _send(self, changes: dict[str, Any]) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/"
        with urllib.request.urlopen(url, json.dumps(changes).encode(), timeout=10) as response:
            told: dict[str, Any] = json.load(response)
        return told


@contextmanager
def running(broker_port: int, directory: Path) -> Iterator[Network]:
    """Run it at a broker, with its Home Assistant integration on."""
    port = free_port()
    configuration = {
        "version": 5,
        "mqtt": {"server": f"mqtt://127.0.0.1:{broker_port}", "base_topic": "zigbee2mqtt"},
        "serial": {"adapter": "ember", "port": "simulated"},
        "homeassistant": {"enabled": True},
        "frontend": {"enabled": False},
        "advanced": {
            "log_output": ["console"],
            "network_key": list(range(16)),
            "pan_id": 1,
            "ext_pan_id": [1] * 8,
        },
        "devices": {devices.address(each.name): {"friendly_name": each.name} for each in devices.DEVICES},
    }
    (directory / "configuration.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    (directory / "database.db").write_text(devices.database(), encoding="utf-8")
    (directory / "devices.json").write_text(devices.memory(), encoding="utf-8")
    environment = os.environ | {
        "ZIGBEE2MQTT_DATA": str(directory),
        "Z2M_ONBOARD_NO_SERVER": "1",
        "GIT_DIR": os.devnull,  # it would build itself anew in a repository that is not its own
        "SIMULATED_DEVICES": str(directory / "devices.json"),
        "SIMULATED_PORT": str(port),
    }
    command = [MODULES / ".bin/node", "--require", ADAPTER, MODULES / "zigbee2mqtt/index.js"]
    log = directory / "log"
    with process([str(part) for part in command], log, environment) as child:
        eventually(lambda: child.poll() is not None or "Zigbee2MQTT started!" in log.read_text("utf-8"), 120)
        assert child.poll() is None, log.read_text("utf-8")
        yield Network(port)
