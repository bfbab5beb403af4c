"""A Home Assistant with the agent, and the node that it asks."""

from collections.abc import Iterator

import pytest

from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import HomeAssistant
from tests.hubs import timer_device
from tests.hubs.agent import described, expose, found, ready_devices
from tests.processes import Broker, Nodes, Service

CONFIGURATION = "assist_pipeline:\nconfig:\ndemo:\nhomeassistant: {name: Home}\ntimer_device:\n"
LOCKS = ["lock.front_door", "lock.kitchen_door"]


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    return module_node()


@pytest.fixture(scope="module")
def agent_hub(broker: Broker) -> Iterator[Hub]:
    hub = Hub(broker.port, "edge_llm/#")
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def credentials() -> dict[str, str]:
    """Of Home Assistant at the broker; a module may have its own."""
    return {}


@pytest.fixture(scope="module")
def home_assistant(
    broker: Broker, service: Service, agent_hub: Hub, credentials: dict[str, str]
) -> Iterator[HomeAssistant]:
    """With the agent, as a user adds it who is asked whether the node that was found is wanted."""
    home_assistant = HomeAssistant("agent", broker.port, CONFIGURATION, **credentials)
    timer_device.install(home_assistant.directory)
    try:
        home_assistant.start()
        if home_assistant.entity(LOCKS[0]) is None:  # what the demo needs has just been installed
            home_assistant.stop()
            home_assistant.start()
        flow = eventually(lambda: found(home_assistant))
        assert flow["context"]["title_placeholders"] == {"name": TOPICS.node}
        added = home_assistant.post(f"/api/config/config_entries/flow/{flow['flow_id']}")
        assert added["type"] == "create_entry", added
        eventually(lambda: home_assistant.entity(r"conversation\.edge_llm.*"))
        expose(home_assistant, *LOCKS)
        eventually(lambda: LOCKS[0] in described(agent_hub))
        eventually(lambda: ready_devices(agent_hub) == len(described(agent_hub)))
        yield home_assistant
    finally:
        home_assistant.stop()


@pytest.fixture
def agent(home_assistant: HomeAssistant) -> str:
    entity = home_assistant.entity(r"conversation\.edge_llm.*")
    assert entity
    return entity
