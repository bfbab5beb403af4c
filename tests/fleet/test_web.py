"""The role `web`: a page beside a node, from a wheelhouse with the extra, and none once it is off.

The tests go on where the one before stopped.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_llm.bundle import Bundle
from tests.fleet.conftest import ROOT, Fleet, running_fleet
from tests.fleet.hosts import IMAGE, Host, Played, docker

pytestmark = pytest.mark.web
NODE = "node-a"
OFF = ("-e", '{"web_enabled": false}')
ROLE = [{"hosts": "nodes", "gather_facts": False, "roles": ["edge_llm.fleet.web"]}]
"""The role alone: all of `site` takes ten times as long."""
PAGE = "http://127.0.0.1:8088"
# The host has Python and no curl.
FETCH = """\
import sys, urllib.request, urllib.error
url, token, body = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"} if token else {}
request = urllib.request.Request(url, body.encode() or None, headers)
try:
    with urllib.request.urlopen(request, timeout=60) as reply:
        print(reply.status, reply.read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture(scope="module")
def wheelhouse() -> Path:
    """With the extra, for the Python of the hosts."""
    directory = ROOT / ".cache/wheelhouse-web"
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = docker("run", "--rm", IMAGE, "python3", "-c", script)
    subprocess.run([ROOT / "scripts/wheelhouse", directory, version, "web"], check=True)
    return directory


@pytest.fixture(scope="module")
def fleet(demo_bundle: Bundle, wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    work = tmp_path_factory.mktemp("fleet")
    users = {"broker_clients": ["hub", "web"], "broker_readers": ["web"]}
    with running_fleet(work, demo_bundle, wheelhouse, (NODE,), web_enabled=True, **users) as fleet:
        yield fleet


@pytest.fixture
def node(fleet: Fleet) -> Host:
    return fleet.nodes[NODE]


def play_role(fleet: Fleet, *arguments: str) -> Played:
    playbook = fleet.work / "role.yml"
    playbook.write_text(json.dumps(ROLE))
    return fleet.controller.play(str(playbook), *arguments)


def fetch(host: Host, path: str, token: str = "", body: str = "") -> tuple[int, str]:
    """Status and text of what the page's address answers on the host itself; POST where there is a body."""
    command = ["docker", "exec", host.container, "python3", "-c", FETCH, PAGE + path, token, body]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, _, text = done.stdout.strip().partition(" ")
    return int(status), text


def pid_of(host: Host, unit: str) -> str:
    return host.run(f"systemctl show --property=MainPID --value {unit}")


def test_check_mode_writes_nothing_to_a_virgin_host(fleet: Fleet, node: Host) -> None:
    played = play_role(fleet, "--check", "--diff")
    assert played.count("changed")[NODE] > 0
    assert node.run("find /etc /opt -name '*edge_llm_web*' -o -name '.web_started'") == ""


def test_a_page_beside_the_node(fleet: Fleet, node: Host) -> None:
    played = fleet.controller.play("site", "-vvv", "--diff")
    assert set(played.count("failed").values()) == {0}
    token = (fleet.controller.state / "tokens" / NODE).read_text().strip()
    status, health = fetch(node, "/healthz")
    assert (status, json.loads(health)) == (200, {"state": "online", "node": NODE})
    status, page = fetch(node, "/")
    assert (status, page[:15].lower()) == (200, "<!doctype html>")
    question = {"messages": [{"role": "user", "content": "What is the capital of Japan?"}], "max_tokens": 30}
    assert fetch(node, "/v1/chat/completions", body=json.dumps(question))[0] == 401
    status, answer = fetch(node, "/v1/chat/completions", token, json.dumps(question))
    assert status == 200
    assert "Tokyo" in answer
    assert token not in played.output
    assert fleet.controller.password("web") not in played.output


def test_it_is_confined_and_listens_on_loopback_as_a_user_of_its_own(node: Host) -> None:
    report = node.run("systemd-analyze security edge_llm_web.service --no-pager")
    exposure = re.search(r"Overall exposure level for edge_llm_web.service: (\S+)", report)
    assert exposure
    print(f"--- exposure {exposure[1]}")
    assert float(exposure[1]) <= 2.0
    here, elsewhere = "import socket; socket.create_connection(('{}', 8088), 5)", node.address
    node.run(f'python3 -c "{here.format("127.0.0.1")}"')
    assert "refused" in node.run(f'python3 -c "{here.format(elsewhere)}" 2>&1', check=False)
    assert node.run(f"ps -o user:20= -p {pid_of(node, 'edge_llm_web')}") == "edge_llm_web"
    for secret in ("password", "token"):
        assert node.run(f"stat -c '%U %a' /etc/edge_llm_web/{secret}") == "root 600"


def test_a_second_run_changes_nothing(fleet: Fleet, node: Host) -> None:
    pid = pid_of(node, "edge_llm_web")
    played = play_role(fleet)
    assert set(played.count("changed").values()) == {0}
    assert pid_of(node, "edge_llm_web") == pid


def test_it_begins_anew_with_the_node(node: Host) -> None:
    pid = pid_of(node, "edge_llm_web")
    node.run("systemctl restart edge_llm")
    assert pid_of(node, "edge_llm_web") not in {pid, "0"}


def test_off_it_is_removed_and_the_node_stays(fleet: Fleet, node: Host) -> None:
    pid = node.pid()
    play_role(fleet, *OFF)
    assert node.run("systemctl is-active edge_llm_web", check=False) == "inactive"
    assert node.run("find /etc /opt/edge_llm -name '*edge_llm_web*' -o -name '.web_started'") == ""
    assert node.pid() == pid
    assert "Tokyo" in fleet.ask(NODE)
    played = play_role(fleet, *OFF)
    assert set(played.count("changed").values()) == {0}


def test_a_wheelhouse_without_the_extra_is_refused(fleet: Fleet, node: Host) -> None:
    pid = node.pid()
    bare = fleet.work / "bare"
    bare.mkdir()
    (bare / "requirements.txt").write_text("edge-llm==1\n")
    played = fleet.controller.play("upgrade", "-e", f"node_wheelhouse={bare}", code=2)
    assert "web_enabled needs a wheelhouse with the extra" in played.output
    assert node.pid() == pid
