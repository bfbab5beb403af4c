"""The integration's setup in a real Home Assistant: its forms, tasks, diagnostics, and its end."""

import json
from typing import Any

from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import GUEST, HomeAssistant, speech, types
from tests.hubs.agent import HOUSE, NEEDS_HOME_ASSISTANT, described, entry, ready_devices

pytestmark = NEEDS_HOME_ASSISTANT
FLOWS = "/api/config/config_entries/flow"
SUBENTRIES = "/api/config/config_entries/subentries/flow"
NODE = {"base_topic": "edge_llm", "node": TOPICS.node}


def test_its_types_are_those_of_home_assistant() -> None:
    assert "Success" in (said := types()), said


def test_a_node_is_added_by_hand_only_if_it_is_there_and_once(
    home_assistant: HomeAssistant, agent: str
) -> None:
    flow = home_assistant.post(FLOWS, handler="edge_llm")
    for wrong, errors in (
        (NODE | {"node": "nobody"}, {"base": "not_found"}),
        (NODE | {"node": "a b"}, {"node": "invalid_node"}),
        (NODE | {"base_topic": "a/#"}, {"base_topic": "invalid_base_topic"}),
    ):
        assert home_assistant.post(f"{FLOWS}/{flow['flow_id']}", **wrong)["errors"] == errors
    again = home_assistant.post(f"{FLOWS}/{flow['flow_id']}", **NODE)
    assert (again["type"], again["reason"]) == ("abort", "already_configured")


def test_it_is_reconfigured(home_assistant: HomeAssistant, agent: str) -> None:
    flow = home_assistant.post(FLOWS, handler="edge_llm", entry_id=entry(home_assistant))
    assert flow["step_id"] == "reconfigure", flow
    changed = home_assistant.post(f"{FLOWS}/{flow['flow_id']}", **NODE)
    assert changed["reason"] == "reconfigure_successful"


def test_the_instructions_are_computed_while_somebody_speaks(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub
) -> None:
    home_assistant.ask("conversation/prepare", agent_id=agent)
    prefilled = eventually(lambda: agent_hub.on(TOPICS.prefill("homeassistant")))
    assert "voice assistant" in json.loads(prefilled[-1])["system"]


def test_who_may_not_switch_a_light_does_not(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub
) -> None:
    flow = home_assistant.post(FLOWS, handler="shopping_list")
    home_assistant.post(f"{FLOWS}/{flow['flow_id']}")
    eventually(lambda: "todo.shopping_list" in described(agent_hub))
    eventually(lambda: ready_devices(agent_hub) == len(described(agent_hub)))
    for sentence, entity, state in (
        ("turn off the kitchen lights", "light.kitchen_lights", "on"),
        ("turn off the hvac", "climate.hvac", "cool"),
        ("add milk to the shopping list", "todo.shopping_list", "0"),
    ):
        answer = home_assistant.say_as(GUEST, sentence, agent)
        assert answer["response"]["response_type"] == "error", speech(answer)
        assert home_assistant.state(entity) == state
    home_assistant.say("add milk to the shopping list", agent)
    eventually(lambda: home_assistant.state("todo.shopping_list") == "1")
    answer = home_assistant.say_as(GUEST, "set the heat pump to 19 degrees", agent)
    assert answer["response"]["response_type"] == "error", speech(answer)


def test_a_task_has_the_structure_that_was_asked_for(home_assistant: HomeAssistant, agent: str) -> None:
    flow = home_assistant.post(SUBENTRIES, handler=[entry(home_assistant), "ai_task_data"])
    made = home_assistant.post(f"{SUBENTRIES}/{flow['flow_id']}", name="Task")
    assert made["type"] == "create_entry", made
    task = eventually(lambda: home_assistant.entity(r"ai_task\..*"))
    eventually(lambda: home_assistant.state(task) != "unavailable")

    def generated(**fields: Any) -> Any:
        path = "/api/services/ai_task/generate_data?return_response"
        answer = home_assistant.post(path, task_name="test", entity_id=task, **fields)
        return answer["service_response"]["data"]

    assert isinstance(generated(instructions="Write a short sentence about bread."), str)
    structure = {
        "celsius": {"selector": {"number": {}}, "required": True},
        "room": {"selector": {"select": {"options": ["bath", "kitchen"]}}, "required": True},
    }
    data = generated(instructions="It is 21 degrees in the bath.", structure=structure)
    assert isinstance(data["celsius"], int | float)
    assert data["room"] in ("bath", "kitchen")


def test_diagnostics_name_nothing_of_the_household(home_assistant: HomeAssistant) -> None:
    text = json.dumps(home_assistant.get(f"/api/diagnostics/config_entry/{entry(home_assistant)}")["data"])
    assert '"light": ' in text
    assert "Bed Light" not in text
    assert "voice assistant" not in text


def test_the_house_goes_with_the_entry(home_assistant: HomeAssistant, agent_hub: Hub) -> None:
    url = f"/api/config/config_entries/entry/{entry(home_assistant)}"
    home_assistant.post(f"{url}/reload")
    eventually(lambda: described(agent_hub))
    home_assistant.delete(url)
    eventually(lambda: agent_hub.on(HOUSE)[-1] == b"")
