"""Every way through the forms."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_MQTT, SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.edge_llm import config_flow

from .fakes import BASE, INFO, NODE, TOPIC, TRANSLATIONS, FakeNode, until

WORDS = json.loads((TRANSLATIONS / "en.json").read_text())["config"]
FIELDS = {"base_topic": BASE, "node": NODE}


async def discovered(hass: HomeAssistant, payload: str, topic: str = f"{TOPIC}/info") -> Any:
    info = MqttServiceInfo(topic, payload, 1, True, "edge_llm/+/info", 0.0)
    return await hass.config_entries.flow.async_init("edge_llm", context={"source": SOURCE_MQTT}, data=info)


async def by_hand(hass: HomeAssistant) -> Any:
    return await hass.config_entries.flow.async_init("edge_llm", context={"source": SOURCE_USER})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A context in which a node is not waited for."""

    @contextmanager
    def impatient() -> Iterator[None]:
        with monkeypatch.context() as patched:
            patched.setattr(config_flow, "_FIND_S", 0.0)
            yield

    return impatient


async def filled(hass: HomeAssistant, flow: Any, **fields: Any) -> Any:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], fields)
    await hass.async_block_till_done()
    for said in (result.get("errors") or {}).values():
        assert WORDS["error"][said]
    return result


async def test_a_node_that_was_found_is_added_once_confirmed(hass: HomeAssistant, node: FakeNode) -> None:
    flow = await discovered(hass, json.dumps(INFO))
    assert (flow["type"], flow["step_id"]) == ("form", "confirm")
    assert flow["description_placeholders"] == {"name": NODE}
    (progress,) = hass.config_entries.flow.async_progress()
    assert progress["context"]["title_placeholders"] == {"name": NODE}
    added = await filled(hass, flow)
    assert (added["type"], added["title"], added["data"]) == ("create_entry", f"edge_llm {NODE}", FIELDS)
    (agent,) = added["result"].subentries.values()
    assert agent.subentry_type == "conversation"
    assert agent.data["prompt"]
    assert hass.states.get("conversation.edge_llm_kitchen_pc")


@pytest.mark.parametrize("mqtt_config_entry_options", [{"birth_message": {}}])
async def test_a_node_is_found_by_what_it_has_told(hass: HomeAssistant, node: FakeNode) -> None:
    node.info(INFO)
    await until(hass.config_entries.flow.async_progress)
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["handler"], flow["step_id"]) == ("edge_llm", "confirm")


async def test_a_node_that_was_found_may_be_added_by_hand(hass: HomeAssistant, node: FakeNode) -> None:
    await discovered(hass, json.dumps(INFO))
    added = await filled(hass, await by_hand(hass), **FIELDS)
    assert added["type"] == "create_entry"
    assert not hass.config_entries.flow.async_progress()


async def test_a_node_under_another_topic_is_found(hass: HomeAssistant, node: FakeNode) -> None:
    added = await filled(hass, await discovered(hass, json.dumps(INFO), "home/llm/attic/info"))
    assert added["data"] == {"base_topic": "home/llm", "node": "attic"}
    assert added["result"].unique_id == "home/llm/attic"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", "invalid_discovery_info"),
        ("[]", "invalid_discovery_info"),
        (json.dumps(INFO | {"features": ["tools"]}), "cannot_act"),
        (json.dumps({"node": NODE}), "cannot_act"),
        (json.dumps({"node": "documents", "features": ["documents"]}), "is_documents"),
        (json.dumps({"node": "documents", "features": ["documents", "act"]}), "is_documents"),
    ],
)
async def test_what_is_no_node_that_acts_is_not_offered(
    hass: HomeAssistant, node: FakeNode, payload: str, reason: str
) -> None:
    flow = await discovered(hass, payload)
    assert (flow["type"], flow["reason"]) == ("abort", reason)
    assert WORDS["abort"][reason]


async def test_a_node_is_added_once(hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry) -> None:
    flow = await discovered(hass, json.dumps(INFO))
    assert (flow["type"], flow["reason"]) == ("abort", "already_configured")
    flow = await filled(hass, await by_hand(hass), **FIELDS)
    assert (flow["type"], flow["reason"]) == ("abort", "already_configured")


async def test_a_node_is_added_by_hand_after_every_error(
    hass: HomeAssistant, node: FakeNode, impatient: Callable[[], Any]
) -> None:
    flow = await by_hand(hass)
    assert (flow["type"], flow["step_id"], flow["errors"]) == ("form", "user", {})
    for wrong, errors in (
        ({"base_topic": "a/#"}, {"base_topic": "invalid_base_topic"}),
        ({"base_topic": " / "}, {"base_topic": "invalid_base_topic"}),
        ({"node": "a b"}, {"node": "invalid_node"}),
        ({"node": "nobody"}, {"base": "not_found"}),
    ):
        with impatient():
            flow = await filled(hass, flow, **FIELDS | wrong)
        assert (flow["type"], flow["errors"]) == ("form", errors)
    node.info(INFO | {"features": []})
    flow = await filled(hass, flow, **FIELDS)
    assert flow["errors"] == {"base": "cannot_act"}
    node.info(INFO | {"features": ["documents"]})
    flow = await filled(hass, flow, **FIELDS)
    assert flow["errors"] == {"base": "is_documents"}
    node.info(INFO)
    added = await filled(hass, flow, base_topic=f" {BASE}/ ", node=f"{NODE} ")
    assert (added["type"], added["data"]) == ("create_entry", FIELDS)
    assert added["result"].unique_id == TOPIC


async def test_a_node_cannot_be_looked_for_without_mqtt(hass: HomeAssistant) -> None:
    flow = await filled(hass, await by_hand(hass), **FIELDS)
    assert (flow["type"], flow["errors"]) == ("form", {"base": "mqtt_not_ready"})


async def reconfiguring(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    return await hass.config_entries.flow.async_init(
        "edge_llm", context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )


async def test_the_same_agents_ask_another_node(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, impatient: Callable[[], Any]
) -> None:
    flow = await reconfiguring(hass, entry)
    assert (flow["type"], flow["step_id"]) == ("form", "reconfigure")
    with impatient():
        flow = await filled(hass, flow, **FIELDS | {"node": "attic"})
    assert flow["errors"] == {"base": "not_found"}
    node.fire(f"{BASE}/attic/info", json.dumps(INFO | {"node": "attic"}), retain=True)
    changed = await filled(hass, flow, **FIELDS | {"node": "attic"})
    assert (changed["type"], changed["reason"]) == ("abort", "reconfigure_successful")
    assert WORDS["abort"]["reconfigure_successful"]
    assert (entry.unique_id, entry.title) == (f"{BASE}/attic", "edge_llm attic")
    assert entry.runtime_data.topics.node == "attic"
    assert len(entry.subentries) == 1


async def test_a_node_may_stay_as_it_is(hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry) -> None:
    changed = await filled(hass, await reconfiguring(hass, entry), **FIELDS)
    assert changed["reason"] == "reconfigure_successful"
    assert entry.unique_id == TOPIC


async def test_two_entries_cannot_become_one_node(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    other = MockConfigEntry(domain="edge_llm", unique_id=f"{BASE}/attic", data=FIELDS | {"node": "attic"})
    other.add_to_hass(hass)
    changed = await filled(hass, await reconfiguring(hass, other), **FIELDS)
    assert (changed["type"], changed["reason"]) == ("abort", "already_configured")
    assert other.data["node"] == "attic"


async def test_an_agent_is_added_and_changed(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    flows = hass.config_entries.subentries
    flow: Any = await flows.async_init((entry.entry_id, "conversation"), context={"source": SOURCE_USER})
    assert (flow["type"], flow["step_id"]) == ("form", "user")
    filled_in = {"name": "With tools", "prompt": "Be kind.", "llm_hass_api": ["assist"]}
    added: Any = await flows.async_configure(flow["flow_id"], filled_in)
    await hass.async_block_till_done()
    assert (added["type"], added["title"]) == ("create_entry", "With tools")
    assert hass.states.get("conversation.with_tools")

    made = next(each for each in entry.subentries.values() if each.title == "With tools")
    assert made.data == {"prompt": "Be kind.", "llm_hass_api": ["assist"], "documents": False}
    flow = await flows.async_init(
        (entry.entry_id, "conversation"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": made.subentry_id},
    )
    assert (flow["type"], flow["step_id"]) == ("form", "reconfigure")
    changed: Any = await flows.async_configure(flow["flow_id"], {"prompt": "Be brief.", "documents": True})
    await hass.async_block_till_done()
    assert (changed["type"], changed["reason"]) == ("abort", "reconfigure_successful")
    assert entry.subentries[made.subentry_id].data == {"prompt": "Be brief.", "documents": True}
    assert entry.subentries[made.subentry_id].title == "With tools"


async def test_a_task_is_added(hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry) -> None:
    flows = hass.config_entries.subentries
    flow: Any = await flows.async_init((entry.entry_id, "ai_task_data"), context={"source": SOURCE_USER})
    assert (flow["type"], flow["step_id"]) == ("form", "user")
    added: Any = await flows.async_configure(flow["flow_id"], {"name": "Tasks"})
    await hass.async_block_till_done()
    assert (added["type"], added["title"], added["data"]) == ("create_entry", "Tasks", {})
    assert hass.states.get("ai_task.tasks")
