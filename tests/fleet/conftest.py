"""The fleet: a controller, a broker and three nodes, and the software that goes onto them."""

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from edge_llm.bundle import Bundle, open_bundle, sha256_of
from edge_llm.client import Client, MqttSettings
from edge_llm.convert.prepare import prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.source import Source
from tests.fleet.hosts import BROKER, NODES, Controller, Host, docker, start

ROOT = Path(__file__).parents[2]
COLLECTION = ROOT / "ansible"
WHEELHOUSE = ROOT / ".cache/wheelhouse"
"""Made by scripts/test-fleet."""


def lock(wheelhouse: Path) -> None:
    """Write requirements.txt anew, as scripts/wheelhouse does."""
    lines = []
    for wheel in sorted(wheelhouse.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        digest = sha256_of(wheel)
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}\n")
    (wheelhouse / "requirements.txt").write_text("".join(lines))


def another(wheelhouse: Path, directory: Path, file: str, addition: str) -> Path:
    """A wheelhouse with the same wheels, but for what is added to the end of one file of ours."""
    shutil.copytree(wheelhouse, directory, copy_function=lambda source, to: Path(to).hardlink_to(source))
    (ours,) = directory.glob("edge_llm-*.whl")
    with zipfile.ZipFile(ours) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    ours.unlink()
    files[file] += addition.encode()
    with zipfile.ZipFile(ours, "w") as wheel:
        for name, content in files.items():
            # pip does not hold files against RECORD, which is of no concern here.
            wheel.writestr(name, content)
    (directory / "requirements.txt").unlink()
    lock(directory)
    return directory


@dataclass(frozen=True)
class Fleet:
    """The parts of a fleet that tests look at."""

    controller: Controller
    broker: Host
    nodes: dict[str, Host]
    work: Path

    def mqtt(self, user: str, **fields: object) -> MqttSettings:
        """How a user reaches the broker."""
        values = {
            "host": self.broker.address,
            "port": 8883,
            "tls": True,
            "ca_file": self.controller.state / "ca.crt",
            "username": user,
            "password": self.controller.password(user),
        }
        return MqttSettings.model_validate(values | fields)

    def ask(self, node: str, user: str = "hub", text: str = "What is the capital of Japan?") -> str:
        """A node's answer to a client of the broker."""
        with Client(self.mqtt(user), node) as client:
            return client.ask(text, max_tokens=30, timeout_s=60).text


@pytest.fixture(scope="session")
def demo_bundle(demo_source: Source, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("bundles") / "int8"
    prepare_bundle(demo_source, path, "int8", Progress(quiet=True))
    return open_bundle(path)


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    assert (WHEELHOUSE / "requirements.txt").exists(), "scripts/test-fleet makes it"
    return WHEELHOUSE


@pytest.fixture(scope="module")
def fleet(demo_bundle: Bundle, wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), demo_bundle, wheelhouse, NODES) as fleet:
        yield fleet


@contextmanager
def running_fleet(
    work: Path, bundle: Bundle, wheelhouse: Path, nodes: tuple[str, ...], **more: object
) -> Iterator[Fleet]:
    """Start a broker's host and nodes, and a controller with an inventory of them and ``more`` variables."""
    network = f"fleet-{uuid4().hex[:8]}"
    key = work / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    docker("network", "create", "--internal", network)  # no package index is within reach
    try:
        hosts = {name: start(name, network, public) for name in (BROKER, *nodes)}
        variables = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null",
            "ansible_python_interpreter": "/usr/bin/python3",
            "fleet_state": str(work / "controller/state"),
            "broker_clients": ["hub", "guest"],
            "bundle_path": str(bundle.path),
            "bundle_part_mb": 32,
            "node_wheelhouse": str(wheelhouse),
            "node_gate_hold_s": 1,
            "node_config": {
                "mqtt": {"host": "broker", "port": 8883},
                "engine": {"context_tokens": 1024},
            },
        }
        addresses: dict[str, dict[str, object]] = {
            name: {"ansible_host": host.address} for name, host in hosts.items()
        }
        if "node-b" in addresses:
            addresses["node-b"] |= {
                "node_cpus": "0",
                "node_config_host": {"engine": {"inference_cores": "0"}},
            }
        broker = addresses.pop(BROKER)
        groups = {"broker": {"hosts": {BROKER: broker}}, "nodes": {"hosts": addresses}}
        (work / "controller").mkdir()
        inventory = {"all": {"vars": variables | more, "children": groups}}
        controller = Controller(work / "controller", inventory, COLLECTION)
        yield Fleet(controller, hosts.pop(BROKER), hosts, work)
    finally:
        for name in (BROKER, *nodes):
            subprocess.run(["docker", "rm", "-f", f"{network}-{name}"], capture_output=True, check=False)
        docker("network", "rm", network)
