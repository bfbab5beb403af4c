"""The agent in Home Assistant at a broker with the example's ACL."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.common import NODE, TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import HomeAssistant, speech
from tests.hubs.agent import NEEDS_HOME_ASSISTANT, described, expose, streamed
from tests.processes import Broker, Nodes, Service

pytestmark = NEEDS_HOME_ASSISTANT
ACL = Path(__file__).parents[2] / "config/mosquitto/edge_llm.acl"
PASSWORD = "secret"  # noqa: S105 - of a broker that lives for one test
CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Whoever has no name may listen, which is the test itself, and no more."""
    directory = tmp_path_factory.mktemp("broker")
    (directory / "acl").write_text(f"topic read edge_llm/#\n{ACL.read_text()}")
    (directory / "passwords").write_text(f"{NODE}:{PASSWORD}\nhomeassistant:{PASSWORD}\n")
    (directory / "passwords").chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", directory / "passwords"], check=True)
    files = f"password_file {directory}/passwords\nacl_file {directory}/acl\nuser root\n"
    broker = Broker(directory, CONFIG + files)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    return module_node(mqtt__username=NODE, mqtt__password=PASSWORD)


@pytest.fixture(scope="module")
def credentials() -> dict[str, str]:
    return {"username": "homeassistant", "password": PASSWORD}


def test_it_acts_speaks_and_is_told_what_failed(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub
) -> None:
    answer = home_assistant.say("turn on the bed light", agent)
    assert answer["response"]["data"]["success"], speech(answer)
    assert any(delta.get("content") for delta in streamed(home_assistant, agent, "Who are you?"))
    expose(home_assistant, "light.bed_light", exposed=False)
    assert "Bed Light" in speech(home_assistant.say("turn off the bed light", agent))
    eventually(lambda: "light.bed_light" not in described(agent_hub))
    home_assistant.ask("conversation/prepare", agent_id=agent)
    eventually(lambda: agent_hub.on(TOPICS.prefill("homeassistant")))
