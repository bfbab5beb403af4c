"""A fleet from nothing: Ansible over ssh, three hosts with a real systemd, a broker with TLS, the real model.

The hosts reach each other and nothing else. The tests go on where the one before stopped.
"""

import hashlib
import json
import re
import shutil
import signal
import threading
from pathlib import Path
from typing import Self

import pytest

from edge_llm.bundle import Bundle
from edge_llm.client import Client
from edge_llm.errors import RequestError
from tests.common import eventually
from tests.fleet.conftest import Fleet, another
from tests.fleet.hosts import NODES

ONE_NODE = ("--limit", "node-c,broker")
TUNED = ("-e", "tuning_governor=performance")
IN_TWO = ("-e", '{"fleet_batches": [1, "100%"]}')
"""One node first, then the others: as by default, but with three nodes."""
ALL_AT_ONCE = ("-e", "fleet_batches=100%")
EVERY_FILE = (
    "find /etc /opt /root /srv /usr /var -xdev -not -path '/root/.ansible*' -not -path '/var/log/*'"
    " -not -path '/var/lib/systemd/*' -not -path '/var/tmp/*' -not -path '/var/cache/*'"
    " -printf '%p %y %s %m %l\\n' | sort"
)
GOOD = ("edge_llm/__init__.py", "# another release\n")
BETTER = ("edge_llm/__init__.py", "# and another\n")
WRONG = (
    "edge_llm/contract/frames.py",
    (
        "_encode = Done.encode\n"
        "Done.encode = lambda self: _encode(self.model_copy(update={'text': 'Forty-two.'}))\n"
    ),
)
CRASHING = ("edge_llm/__init__.py", "import sys\n'serve' not in sys.argv or sys.exit(1)\n")


def test_check_mode_writes_nothing_to_a_virgin_host(fleet: Fleet) -> None:
    hosts = (fleet.broker, *fleet.nodes.values())
    before = [host.run(EVERY_FILE) for host in hosts]
    played = fleet.controller.play("site", "--check", "--diff", *ALL_AT_ONCE)
    assert all(number > 0 for number in played.count("changed").values())
    assert "+  id: node-a" in played.output
    for host, files in zip(hosts, before, strict=True):
        assert set(host.run(EVERY_FILE).splitlines()) ^ set(files.splitlines()) == set()


def test_a_fleet_from_nothing(fleet: Fleet) -> None:
    played = fleet.controller.play("site", *ALL_AT_ONCE)
    assert set(played.count("failed").values()) == {0}
    for name, host in fleet.nodes.items():
        assert "Tokyo" in fleet.ask(name)
        assert host.run("stat -c '%U %a' /etc/edge_llm/password") == "root 600"
        assert host.run(f"ps -o user= -p {host.pid()}") == "edge_llm"
    assert len({fleet.controller.password(name) for name in NODES}) == len(NODES)


def test_a_second_run_changes_nothing(fleet: Fleet) -> None:
    pids = [host.pid() for host in fleet.nodes.values()]
    played = fleet.controller.play("site", *ALL_AT_ONCE)
    assert set(played.count("changed").values()) == {0}
    assert [host.pid() for host in fleet.nodes.values()] == pids


def test_the_service_is_confined_and_pins_all_the_same(fleet: Fleet) -> None:
    node = fleet.nodes["node-b"]
    report = node.run("systemd-analyze security edge_llm.service --no-pager")
    exposure = re.search(r"Overall exposure level for edge_llm.service: (\S+)", report)
    assert exposure
    print(f"--- exposure {exposure[1]}")
    assert float(exposure[1]) <= 2.0
    assert "Type=notify" in node.run("systemctl show -p Type edge_llm")
    assert node.run("systemctl show -p WatchdogUSec --value edge_llm") == "1min"
    said = fleet.controller.play("verify").output
    assert '"node-b"' in (fleet.controller.state / "report.json").read_text()
    report = json.loads((fleet.controller.state / "report.json").read_text())
    assert sorted(report) == sorted(NODES)
    assert all(float(row["tokens_per_second"]) > 0 and float(row["ttft_ms"]) > 0 for row in report.values())
    assert report["node-b"]["cores"] == "0"
    assert report["node-b"]["release"] == node.release()
    assert re.search(r"node-b +\S+\.\S+ +\w{12} +0 ", said)


def test_nobody_asks_or_listens_as_another(fleet: Fleet) -> None:
    asker = fleet.mqtt("guest", username="guest")
    with Client(asker, "node-a", "hub") as client, pytest.raises(RequestError, match="has not answered"):
        client.ask("Hi", timeout_s=5)
    wrong = fleet.mqtt("guest", password=fleet.controller.password("hub"))
    with Client(wrong, "node-a") as client, pytest.raises(RequestError, match="not authorized"):
        client.ask("Hi", timeout_s=5)
    # A node's credentials are good for its own topics alone.
    other = fleet.mqtt("node-a")
    with Client(other, "node-b", "node-b") as client, pytest.raises(RequestError):
        client.ask("Hi", timeout_s=5)


def test_no_secret_is_told(fleet: Fleet) -> None:
    users = [*NODES, "hub", "guest"]
    (fleet.controller.state / "passwords/node-c").unlink()  # so that there is something to write
    output = fleet.controller.play("site", "-vvv", "--diff", *ONE_NODE, *TUNED).output
    secrets = [fleet.controller.password(user) for user in users]
    assert not [secret for secret in secrets if secret in output]
    assert "Tokyo" in fleet.ask("node-c")
    for host in (fleet.broker, *fleet.nodes.values()):
        for secret in secrets:
            found = host.run(f"grep -rlF {secret} /etc /opt /var /tmp /run 2>/dev/null || true").splitlines()
            open_to_all = [path for path in found if int(host.run(f"stat -c %a {path}"), 8) & 0o044]
            assert not open_to_all
    for path in fleet.controller.state.rglob("*"):
        if path.is_file() and any(secret in path.read_text(errors="ignore") for secret in secrets):
            assert path.stat().st_mode & 0o077 == 0


class Asker(threading.Thread):
    """A client that asks one node after the other, and counts what it is told."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(name="asker")
        self._fleet = fleet
        self._stop_asking = threading.Event()
        self.answers: list[str] = []
        self.failures: list[str] = []

    def run(self) -> None:
        clients = [Client(self._fleet.mqtt("hub"), name) for name in NODES]
        for client in clients:
            client.__enter__()
        while not self._stop_asking.wait(0.5):
            for client in clients:
                try:
                    text = "What is the capital of Japan?"
                    self.answers.append(client.ask(text, max_tokens=12, timeout_s=60, ttl_s=120).text)
                except RequestError as error:
                    self.failures.append(str(error))
        for client in clients:
            client.__exit__(None, None, None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_asking.set()
        self.join()


def test_an_upgrade_loses_no_request(fleet: Fleet, wheelhouse: Path) -> None:
    before = {name: host.release() for name, host in fleet.nodes.items()}
    good = another(wheelhouse, fleet.work / "good", *GOOD)
    with Asker(fleet) as asker:
        played = fleet.controller.play("upgrade", "-e", f"node_wheelhouse={good}", *IN_TWO)
    assert set(played.count("failed").values()) == {0}
    print(f"--- {len(asker.answers)} requests answered during the upgrade, {len(asker.failures)} not")
    assert asker.failures == []
    assert len(asker.answers) > len(NODES)
    assert all("Tokyo" in answer for answer in asker.answers)
    for name, host in fleet.nodes.items():
        assert host.release() != before[name]
        assert host.run("basename $(readlink /opt/edge_llm/current/previous)") == before[name]


def test_a_release_that_answers_wrong_is_rolled_back_and_the_others_stay(
    fleet: Fleet, wheelhouse: Path
) -> None:
    before = {name: (host.release(), host.pid()) for name, host in fleet.nodes.items()}
    wrong = another(wheelhouse, fleet.work / "wrong", *WRONG)
    played = fleet.controller.play("upgrade", "-e", f"node_wheelhouse={wrong}", code=2)
    first, *behind = NODES
    assert "is not what node_gate_expect says" in played.output
    assert "runs again and answers" in played.output
    assert played.count("failed")[first] == 1
    assert fleet.nodes[first].release() == before[first][0]
    assert "Tokyo" in fleet.ask(first)
    for name in behind:
        assert (fleet.nodes[name].release(), fleet.nodes[name].pid()) == before[name]


def test_a_release_that_crashes_is_rolled_back(fleet: Fleet, wheelhouse: Path) -> None:
    before = fleet.nodes["node-a"].release()
    crashing = another(wheelhouse, fleet.work / "crashing", *CRASHING)
    fleet.controller.play("upgrade", "-e", f"node_wheelhouse={crashing}", "--limit", "node-a", code=2)
    assert fleet.nodes["node-a"].release() == before
    assert "Tokyo" in fleet.ask("node-a")


def test_a_play_that_was_killed_is_made_good_by_the_next(fleet: Fleet, wheelhouse: Path) -> None:
    """Killed when the first node has switched, and its service has not been started anew yet."""
    node = fleet.nodes["node-a"]
    good = another(wheelhouse, fleet.work / "next", *BETTER)
    before = node.release()
    running = fleet.controller.begin("upgrade", "-e", f"node_wheelhouse={good}")
    eventually(lambda: node.release() != before, 240)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    node.run("pkill -f '[A]nsiballZ' || true")  # not this command itself
    fleet.controller.play("upgrade", "-e", f"node_wheelhouse={good}", *IN_TWO)
    for name in NODES:
        assert "Tokyo" in fleet.ask(name)
    fleet.controller.play("verify")
    report = json.loads((fleet.controller.state / "report.json").read_text())
    assert {row["release"].partition(".")[0] for row in report.values()} == {node.release().partition(".")[0]}


def test_old_releases_go_and_their_software_with_them(fleet: Fleet) -> None:
    """Three stay by default; those that failed do not."""
    node = fleet.nodes["node-a"]
    releases = node.run("ls /opt/edge_llm/releases").split()
    assert len(releases) == 3
    assert node.release() in releases
    assert node.run("basename $(readlink /opt/edge_llm/current/previous)") in releases
    assert len(node.run("ls /opt/edge_llm/venvs").split()) == len(
        {each.partition(".")[0] for each in releases}
    )


def test_rollback_works_twice(fleet: Fleet) -> None:
    node = fleet.nodes["node-a"]
    seen = [node.release()]
    for _ in range(2):
        fleet.controller.play("rollback", "--limit", "node-a")
        seen.append(node.release())
        assert "Tokyo" in fleet.ask("node-a")
    assert len(set(seen)) == 3
    played = fleet.controller.play("rollback", "--limit", "node-a", code=2)
    assert "there is no release before the one that runs" in played.output
    fleet.controller.play("rollback", "--limit", "node-a", "-e", f"node_release={seen[0]}")
    assert node.release() == seen[0]


def test_a_corrupted_bundle_is_refused_and_the_service_stays_up(fleet: Fleet, demo_bundle: Bundle) -> None:
    before = {name: (host.release(), host.pid()) for name, host in fleet.nodes.items()}
    # On the controller: its files are not those of its manifest.
    bad = fleet.work / "bad"
    shutil.copytree(demo_bundle.path, bad)
    with (bad / "model.onnx.data").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"corrupted")
    played = fleet.controller.play("upgrade", "-e", f"bundle_path={bad}", code=2)
    assert "model.onnx.data: FAILED" in played.output
    # Amid the transfer: what arrives is not what was sent.
    manifest = json.loads((demo_bundle.path / "manifest.json").read_text()) | {"name": "renamed"}
    renamed = fleet.work / "renamed"
    shutil.copytree(demo_bundle.path, renamed)
    (renamed / "manifest.json").write_text(json.dumps(manifest))
    name = hashlib.sha256((renamed / "manifest.json").read_bytes()).hexdigest()
    parts = fleet.controller.state / "bundles" / name
    shutil.copytree(fleet.controller.state / "bundles" / demo_bundle.hash, parts)
    played = fleet.controller.play("upgrade", "-e", f"bundle_path={renamed}", code=2)
    assert "manifest.json: FAILED" in played.output
    for node, host in fleet.nodes.items():
        assert (host.release(), host.pid()) == before[node]
        assert name not in host.run("ls /opt/edge_llm/bundles")
        assert "Tokyo" in fleet.ask(node)


def test_tuning_is_undone(fleet: Fleet) -> None:
    """The governor was set when one node was played again."""
    node = fleet.nodes["node-c"]
    rule = "/etc/udev/rules.d/60-edge_llm-rapl.rules"
    assert "energy_uj" in node.run(f"cat {rule}")
    assert "scaling_governor - - - - performance" in node.run("cat /etc/tmpfiles.d/edge_llm-frequency.conf")
    fleet.controller.play("site", *ONE_NODE, "-e", '{"tuning_rapl": false}')
    assert node.run(f"ls {rule} /etc/tmpfiles.d/edge_llm-frequency.conf 2>/dev/null || true") == ""
