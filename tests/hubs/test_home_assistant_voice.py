"""Home Assistant's own integration Wyoming Protocol, before `edge-llm voice` and the demo's house."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge_llm.cli.commands.demo import ACTING
from edge_llm.config import MqttSettings
from edge_llm.demo.house import SimulatedHouse
from tests import voice
from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import HomeAssistant, speech
from tests.hubs.agent import NEEDS_HOME_ASSISTANT
from tests.processes import Broker, Nodes

pytestmark = NEEDS_HOME_ASSISTANT
CONFIGURATION = "assist_pipeline:\nconfig:\nhomeassistant: {name: Home}\n"
FLOW = "/api/config/config_entries/flow"


@pytest.fixture
def house(broker: Broker, node: Nodes, hub: Hub) -> Iterator[SimulatedHouse]:
    with SimulatedHouse(MqttSettings(host="127.0.0.1", port=broker.port)) as house:
        node(**ACTING)
        eventually(
            lambda: any(json.loads(info).get("house", {}).get("ready") for info in hub.on(TOPICS.info))
        )
        yield house


@pytest.fixture
def home_assistant(broker: Broker) -> Iterator[HomeAssistant]:
    home_assistant = HomeAssistant("voice", broker.port, CONFIGURATION)
    try:
        home_assistant.start()
        yield home_assistant
    finally:
        home_assistant.stop()


def test_it_is_an_agent_that_acts_and_asks_first(
    house: SimulatedHouse, home_assistant: HomeAssistant, broker: Broker, tmp_path: Path
) -> None:
    with voice.running(broker, tmp_path) as uri:
        flow = home_assistant.post(FLOW, handler="wyoming")
        address = urlsplit(uri)
        added = home_assistant.post(f"{FLOW}/{flow['flow_id']}", host=address.hostname, port=address.port)
        assert (added["type"], added["title"]) == ("create_entry", "edge_llm")
        agent = eventually(lambda: home_assistant.entity(r"conversation\.edge_llm.*"))
        done = home_assistant.say("Turn on the coffee maker", agent, language="en")
        assert speech(done) == "Turned on Coffee maker."
        asked = home_assistant.say("Lock the front door", agent, language="en")
        assert speech(asked).endswith("?")
        conversation = asked["conversation_id"]
        done = home_assistant.say("yes", agent, language="en", conversation_id=conversation)
        assert done["response"]["response_type"] == "action_done"
        house.wait_idle()
        assert house.state("Coffee maker")["state"] == "on"
        assert house.state("Front door lock")["state"] == "locked"
        refused = home_assistant.say("Lock the coffee maker", agent, language="en")
        assert refused["response"]["response_type"] == "error"
        assert speech(refused)
