"""A hundred nodes that are directories, played locally: what a fleet's size touches.

Their software and systemctl are fakes.
"""

import json
import re
import resource
import time
from pathlib import Path

import pytest

from edge_llm.bundle import sha256_of
from tests.fleet.conftest import COLLECTION
from tests.fleet.hosts import FAKES, Controller

NAMES = [f"node-{number:03}" for number in range(1, 101)]
BROKEN = "node-007"


def restarted(log: Path) -> list[str]:
    """The nodes whose service was started anew, in order."""
    return re.findall(r"^(\S+) restart edge_llm.service$", log.read_text(), re.MULTILINE)


def bundle(directory: Path) -> Path:
    directory.mkdir()
    (directory / "model.onnx").write_text("a model\n")
    digest = sha256_of(directory / "model.onnx")
    (directory / "manifest.json").write_text(json.dumps({"sha256": {"model.onnx": digest}}))
    return directory


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    model = bundle(tmp_path / "bundle")
    wheels = tmp_path / "wheelhouse"
    wheels.mkdir()
    (wheels / "edge_llm-1-py3-none-any.whl").write_text("a wheel\n")
    (wheels / "requirements.txt").write_text("edge-llm==1\n")
    (tmp_path / "dumb").write_text(f"{BROKEN}\n")
    (tmp_path / "log").touch()
    environment = {
        "PATH": f"{FAKES}:/usr/sbin:/usr/bin:/sbin:/bin",
        "FLEET_NODE": "{{ inventory_hostname }}",
        "FLEET_FAKES": str(FAKES),
        "FLEET_LOG": str(tmp_path / "log"),
        "FLEET_DUMB": str(tmp_path / "dumb"),
    }
    variables = {
        "ansible_become": False,
        "ansible_python_interpreter": "/usr/bin/python3",
        "fleet_root": f"{tmp_path}/hosts/{{{{ inventory_hostname }}}}",
        "fleet_state": str(tmp_path / "state"),
        "fleet_environment": environment,
        "bundle_path": str(model),
        "node_wheelhouse": str(wheels),
        "node_user": "nobody",
        "node_group": "nogroup",
        "node_gate_hold_s": 0,
        "node_config": {"mqtt": {"host": "broker", "port": 8883, "pool": "house"}},
    }
    for name in (*NAMES, "broker"):
        (tmp_path / "hosts" / name / "etc/systemd/system").mkdir(parents=True)
        (tmp_path / "hosts" / name / "etc/mosquitto/certs").mkdir(parents=True)
        (tmp_path / "hosts" / name / "opt/edge_llm/bundles").mkdir(parents=True)
    groups: dict[str, object] = {
        "broker": {"hosts": {"broker": {"ansible_connection": "local"}}},
        "nodes": {"hosts": {name: {"ansible_connection": "forked"} for name in NAMES}},
    }
    return Controller(tmp_path, {"all": {"vars": variables, "children": groups}}, COLLECTION)


def test_a_hundred_nodes(controller: Controller, tmp_path: Path) -> None:
    log = tmp_path / "log"
    begun = time.monotonic()
    controller.play("site", "--limit", "broker")
    # The batches are 1 and 10 nodes; one of the second fails, and 89 stay untouched.
    played = controller.play("upgrade", "-vvv", code=2)
    assert played.count("failed")[BROKEN] == 1
    assert sorted(restarted(log)) == NAMES[:11]
    assert restarted(log)[0] == NAMES[0]
    assert not (tmp_path / "hosts" / NAMES[11] / "opt/edge_llm/current").exists()
    # What failed is tried again alone, which with Ansible is its batch; then the rest.
    assert Path(tmp_path / "upgrade.retry").read_text().split() == NAMES[1:11]
    (tmp_path / "dumb").write_text("")
    log.write_text("")
    controller.play("upgrade", "--limit", f"@{tmp_path}/upgrade.retry")
    assert restarted(log) == []  # it was not at fault any more, and had nothing to go back to
    rest = controller.play("upgrade", "--forks", "10")
    assert set(rest.count("failed").values()) == {0}
    assert sorted(restarted(log)) == NAMES[11:]
    took_s = time.monotonic() - begun
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    print(f"--- 100 nodes: {took_s:.0f} s in all, the largest process {peak_mb:.0f} MB")

    configurations = [
        (tmp_path / "hosts" / name / "opt/edge_llm/current/edge_llm.yaml").read_text() for name in NAMES
    ]
    assert [re.findall(r"^ *id: (\S+)$", text, re.MULTILINE) for text in configurations] == [
        [name] for name in NAMES
    ]
    assert len({re.findall(r"release: (\S+)", text)[0] for text in configurations}) == len(NAMES)
    secrets = {name: (tmp_path / "state/passwords" / name).read_text().strip() for name in NAMES}
    assert len(set(secrets.values())) == len(NAMES)
    assert {len(secret) for secret in secrets.values()} == {32}
    assert not [secret for secret in secrets.values() if secret in played.output]
    users = (tmp_path / "hosts/broker/etc/mosquitto/edge_llm.passwords").read_text()
    assert re.findall(r"^(\S+?):\$7\$", users, re.MULTILINE) == NAMES
    acl = (tmp_path / "hosts/broker/etc/mosquitto/edge_llm.acl").read_text()
    assert re.findall(r"^user (\S+)\ntopic read edge_llm/pool/house/request/\+$", acl, re.MULTILINE) == NAMES
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o044:
            text = path.read_text(errors="ignore")
            assert not [secret for secret in secrets.values() if secret in text], path
