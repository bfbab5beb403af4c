"""The image and its compose file: small, confined, and healthy while the node can be asked."""

import json
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from edge_llm.bundle import Bundle
from edge_llm.demo.processes import free_port
from tests.common import NODE, TOPICS, eventually
from tests.conversation import Hub
from tests.docker_commands import COMPOSE_FILE, compose_command, run

ROOT = Path(__file__).parents[2]
IMAGE, IMAGE_WITH_MODEL = "edge_llm:test", "edge_llm:test-demo"
KILLED = "137"
"""The exit code of what did not stop within its grace time."""
CONFINED = ("--read-only", "--tmpfs=/tmp", "--cap-drop", "ALL", "--network", "none")


@pytest.fixture(scope="module")
def image() -> str:
    run("docker", "build", "--network", "host", "--tag", IMAGE, str(ROOT))
    return IMAGE


def mounted(bundle: Bundle) -> tuple[str, str]:
    return "--volume", f"{bundle.path}:/var/lib/edge_llm/bundle:ro"


class Stack:
    """What the compose file starts, on a port of its own, with a health check that is quicker to despair."""

    def __init__(self, override: Path) -> None:
        self.port, self.web_port = free_port(), free_port()
        self._token = override.with_name("token")
        self._token.write_text("a-token-of-some-length")
        self._token.chmod(0o644)
        self._papers = override.with_name("papers")
        self._papers.mkdir()
        (self._papers / "fridge.md").write_text("# Fridge\n\nThe fridge hums when it is too full.\n")
        self._files = ("-f", str(COMPOSE_FILE), "-f", str(override), "-p", f"edge_llm-{os.getpid()}")
        quick = {"interval": "1s", "timeout": "15s", "retries": 2, "start_period": "60s"}
        node = {"image": IMAGE_WITH_MODEL, "build": {"network": "host"}, "healthcheck": quick}
        others = {name: {"image": IMAGE_WITH_MODEL} for name in ("web", "documents")}
        services = {"node": node, **others}
        override.write_text(yaml.safe_dump({"services": services}))

    def __call__(self, *arguments: str) -> str:
        where = {"MODEL": "demo", "NODE_ID": NODE, "MQTT_PORT": str(self.port)}
        where |= {"WEB_PORT": str(self.web_port), "WEB_TOKEN_FILE": str(self._token)}
        where["DOCUMENTS"] = str(self._papers)
        return run(*compose_command(), *self._files, *arguments, **where)

    def inspect(self, service: str) -> Any:
        container = run("docker", "inspect", self("ps", "--all", "--quiet", service).strip())
        return json.loads(container)[0]

    def health(self, service: str = "node") -> str:
        health: str = self.inspect(service)["State"]["Health"]["Status"]
        return health


@pytest.fixture(scope="module")
def stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("compose") / "override.yaml")
    stack("build", "node")
    try:
        stack("up", "--detach")
        eventually(lambda: stack.health() == "healthy", 120)
        yield stack
    finally:
        stack("down", "--volumes")


def test_the_image_is_small(image: str) -> None:
    assert int(run("docker", "image", "inspect", "--format", "{{.Size}}", image)) <= 350_000_000


def test_there_is_nothing_in_it_that_only_a_build_needs(image: str) -> None:
    tools = "command -v pip pip3 gcc cc make git; python3 -c 'import pip' 2>/dev/null && echo pip"
    places = "/opt /root /tmp /var/cache/apt /var/lib/apt/lists"
    files = f"find {places} -name tests -o -name '*.whl' -o -name '*.deb' -o -name .cache"
    shell = ("--entrypoint", "sh", image, "-c", f"{tools}; {files}; true")
    assert run("docker", "run", "--rm", *CONFINED, *shell) == ""


def test_without_a_model_it_says_what_to_do(image: str) -> None:
    command = ["docker", "run", "--rm", *CONFINED, image]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("edge-llm: no bundle at /var/lib/edge_llm/bundle: make one")
    assert len(done.stderr.splitlines()) == 1


def test_a_bundle_may_be_mounted(image: str, int8: Bundle) -> None:
    assert "checksums fit" in run("docker", "run", "--rm", *CONFINED, *mounted(int8), image, "verify")


def test_it_can_be_stopped_while_it_loads(image: str, int8: Bundle) -> None:
    container = run("docker", "run", "--detach", *CONFINED, *mounted(int8), image).strip()
    try:
        run("docker", "stop", container)
        assert run("docker", "inspect", "--format", "{{.State.ExitCode}}", container).strip() != KILLED
    finally:
        run("docker", "rm", "--force", container)


def test_a_prompt_is_answered_through_the_broker(stack: Stack) -> None:
    hub = Hub(stack.port, TOPICS.reply("hub"), TOPICS.state)
    hub.publish(TOPICS.request("hub"), "What is the capital of Japan?")
    done = json.loads(eventually(lambda: hub.on(TOPICS.reply("hub")))[0])
    assert done["type"] == "done"
    assert "Tokyo" in done["text"]
    assert hub.on(TOPICS.state) == [b"online"]
    hub.close()
    assert "Tokyo" in stack("exec", "-T", "node", "edge-llm", "ask", "What is the capital of Japan?")


def test_the_profile_web_serves_the_page(stack: Stack) -> None:
    stack("--profile", "web", "up", "--detach", "--no-build")
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.web_port}") as browser:

        def is_online() -> bool:
            try:
                return browser.get("/healthz").status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        eventually(is_online, 60)
        assert 'id="page"' in browser.get("/").text
        assert browser.get("/v1/models").status_code == httpx.codes.UNAUTHORIZED
        key = {"Authorization": "Bearer a-token-of-some-length"}
        assert browser.get("/v1/models", headers=key).json()["data"]
    stack("--profile", "web", "rm", "--stop", "--force", "web")


def test_the_profile_documents_answers_from_a_folder(stack: Stack) -> None:
    stack("--profile", "documents", "up", "--detach", "--no-build")
    question = ("edge-llm", "ask", "--documents", "--max-tokens", "4", "Why does the fridge hum?")
    assert "\nfrom: fridge.md" in stack("exec", "-T", "node", *question)
    eventually(lambda: stack.health("documents") == "healthy", 60)
    stack("exec", "-T", "documents", "python3", "-c", "import pypdf")
    stack("--profile", "documents", "stop", "documents")
    assert stack.inspect("documents")["State"]["ExitCode"] == 0
    stack("--profile", "documents", "rm", "--force", "documents")


def test_they_may_do_no_more_than_they_must(stack: Stack) -> None:
    port = {"1883/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]}
    for service, user, ports in (("node", "10001", {}), ("broker", "1883", port)):
        lines = stack("exec", "-T", service, "cat", "/proc/1/status").splitlines()
        status = dict(line.split(":", 1) for line in lines)
        assert status["Uid"].split() == [user] * 4
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
        assert int(status["NoNewPrivs"]) == 1
        host = stack.inspect(service)["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["PortBindings"] == ports


def test_it_is_unhealthy_while_nobody_can_ask_it(stack: Stack) -> None:
    stack("stop", "broker")
    eventually(lambda: stack.health() == "unhealthy", 60)
    last = stack.inspect("node")["State"]["Health"]["Log"][-1]
    assert "edge-llm: unavailable: no MQTT broker at broker:1883" in last["Output"]
    stack("start", "broker")
    eventually(lambda: stack.health() == "healthy", 60)


def test_it_stops_cleanly_and_answers_what_was_asked_meanwhile(stack: Stack) -> None:
    stack("stop", "node")
    state = stack.inspect("node")["State"]
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 0, False)
    hub = Hub(stack.port, TOPICS.state, TOPICS.reply("hub"))
    eventually(partial(hub.on, TOPICS.state))
    assert hub.on(TOPICS.state) == [b"offline"]
    hub.publish(TOPICS.request("hub"), "What is the capital of Japan?")
    stack("restart", "broker")
    stack("start", "node")
    assert b"Tokyo" in eventually(partial(hub.on, TOPICS.reply("hub")))[0]
    hub.close()
