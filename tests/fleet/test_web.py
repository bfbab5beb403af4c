"""The role `web`: a page beside a node, from a wheelhouse with the extra, and none once it is off.

The tests go on where the one before stopped.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_llm.bundle import Bundle
from tests.fleet.conftest import ROOT, Fleet, running_fleet
from tests.fleet.hosts import IMAGE, Host, docker

pytestmark = pytest.mark.web
NODE = "node-a"
OFF = ("-e", '{"web_enabled": false}')
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


@pytest.fixture
def token(fleet: Fleet) -> str:
    return (fleet.controller.state / "tokens" / NODE).read_text().strip()


def fetch(host: Host, path: str, token: str = "", body: str = "") -> tuple[int, str]:
    """Status and text of what the page's address answers on the host itself; POST where there is a body."""
    command = ["docker", "exec", host.container, "python3", "-c", FETCH, PAGE + path, token, body]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, _, text = done.stdout.strip().partition(" ")
    return int(status), text


def pid_of(host: Host, unit: str) -> str:
    return host.run(f"systemctl show --property=MainPID --value {unit}")


def test_a_page_beside_the_node(fleet: Fleet, node: Host) -> None:
    played = fleet.controller.play("site")
    assert set(played.count("failed").values()) == {0}
    token = (fleet.controller.state / "tokens" / NODE).read_text().strip()
    assert fetch(node, "/healthz") == (
        200,
        json.dumps({"state": "online", "node": NODE}, separators=(",", ":")),
    )
    status, page = fetch(node, "/")
    assert (status, page[:15].lower()) == (200, "<!doctype html>")
    question = {"messages": [{"role": "user", "content": "What is the capital of Japan?"}], "max_tokens": 30}
    assert fetch(node, "/v1/chat/completions", body=json.dumps(question))[0] == 401
    status, answer = fetch(node, "/v1/chat/completions", token, json.dumps(question))
    assert status == 200
    assert "Tokyo" in answer
    assert token not in played.output


def test_it_listens_on_loopback_as_a_user_of_its_own(node: Host) -> None:
    here, elsewhere = "import socket; socket.create_connection(('{}', 8088), 5)", node.address
    node.run(f'python3 -c "{here.format("127.0.0.1")}"')
    assert "refused" in node.run(f'python3 -c "{here.format(elsewhere)}" 2>&1', check=False)
    assert node.run(f"ps -o user:20= -p {pid_of(node, 'edge_llm_web')}") == "edge_llm_web"
    for secret in ("password", "token"):
        assert node.run(f"stat -c '%U %a' /etc/edge_llm_web/{secret}") == "root 600"


def test_a_second_run_changes_nothing(fleet: Fleet, node: Host) -> None:
    pid = pid_of(node, "edge_llm_web")
    played = fleet.controller.play("site")
    assert set(played.count("changed").values()) == {0}
    assert pid_of(node, "edge_llm_web") == pid


def test_it_begins_anew_with_the_node(node: Host) -> None:
    pid = pid_of(node, "edge_llm_web")
    node.run("systemctl restart edge_llm")
    assert pid_of(node, "edge_llm_web") not in {pid, "0"}


def test_off_it_is_removed_and_the_node_stays(fleet: Fleet, node: Host) -> None:
    pid = node.pid()
    fleet.controller.play("site", *OFF)
    assert node.run("systemctl is-active edge_llm_web", check=False) == "inactive"
    left = node.run("find /etc -name '*edge_llm_web*'")
    assert left == ""
    assert node.pid() == pid
    assert "Tokyo" in fleet.ask(NODE)
    played = fleet.controller.play("site", *OFF)
    assert set(played.count("changed").values()) == {0}
