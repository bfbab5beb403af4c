"""Home Assistant's own integrations llama.cpp and Ollama, before `edge-llm web`, a real broker and a node."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import HomeAssistant, speech
from tests.hubs.agent import NEEDS_HOME_ASSISTANT, streamed
from tests.processes import Broker, Nodes, Service, Web

pytestmark = NEEDS_HOME_ASSISTANT
TOKEN = "the-token-of-the-web-server"  # noqa: S105 - of a server that lives as long as these tests
LAMP = "light.bed_lamp"
CONTROL = 1
"""ConversationEntityFeature.CONTROL."""
CONFIGURATION = """
assist_pipeline:
config:
homeassistant: {name: Home}
template:
  - light: [{name: Bed lamp, unique_id: bed_lamp, turn_on: [], turn_off: []}]
"""
FLOW = "/api/config/config_entries/flow"
SUBENTRY = "/api/config/config_entries/subentries/flow"
TURN_ON = "intent__HassTurnOn"
EXAMPLE = f"""Example:
User: Turn on the desk fan.
Assistant: <tool_call>
{{"name": "{TURN_ON}", "arguments": {{"name": "Desk fan"}}}}
</tool_call>
Tool: {{"response_type":"action_done"}}
Assistant: Done."""
"""Without an example the demo model, of 135 million parameters, calls a tool that has to do with timers."""
TALKS = {"prompt": "Be brief."}
ACTS = {"prompt": EXAMPLE, "llm_hass_api": ["assist"]}


@dataclass(frozen=True)
class Agents:
    """The entities of one integration: one that talks, one that may call the tools of Assist."""

    talks: str
    acts: str


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    """Ollama's integration sets neither a length nor a temperature: the node's count."""
    return module_node(mqtt__requests_per_minute=6000, sampling__max_tokens=60, sampling__temperature=0)


@pytest.fixture(scope="module")
def web(service: Service, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    web = Web(broker, tmp_path_factory.mktemp("web") / "log", TOKEN)
    yield web
    assert web.stop() == 0


@pytest.fixture(scope="module")
def home_assistant(broker: Broker, web: Web) -> Iterator[HomeAssistant]:
    """With a house of one lamp; it installs what an integration needs when that is added."""
    home_assistant = HomeAssistant("web", broker.port, CONFIGURATION)
    try:
        home_assistant.start()
        eventually(lambda: home_assistant.entity(LAMP))
        yield home_assistant
    finally:
        home_assistant.stop()


@pytest.fixture(scope="module")
def llama_cpp(home_assistant: HomeAssistant, web: Web) -> str:
    """The entry of a user who mistypes the token first; the integration tries the model while it is added."""
    flow = f"{FLOW}/{home_assistant.post(FLOW, handler='llama_cpp')['flow_id']}"
    address = {"base_url": f"{web.url}/v1"}
    assert home_assistant.post(flow, **address, api_key="another")["errors"] == {"base": "invalid_auth"}
    [models] = home_assistant.post(flow, **address, api_key=TOKEN)["data_schema"]
    model = {"chat_model": models["selector"]["select"]["options"][0]}
    entry = added(home_assistant.post(flow, **model))
    [first] = home_assistant.ask("config_entries/subentries/list", entry_id=entry)
    options = {**model, "recommended": False, "max_tokens": 60, "top_p": 1, "temperature": 0}
    changed = subentry(home_assistant, entry, {**ACTS, **options}, subentry_id=first["subentry_id"])
    assert changed["reason"] == "reconfigure_successful", changed
    assert subentry(home_assistant, entry, {**TALKS, **options})["type"] == "create_entry"
    return entry


@pytest.fixture(scope="module")
def ollama(home_assistant: HomeAssistant, web: Web) -> str:
    """The entry of a user who mistypes the token first."""
    flow = f"{FLOW}/{home_assistant.post(FLOW, handler='ollama')['flow_id']}"
    assert home_assistant.post(flow, url=web.url, api_key="another")["errors"] == {"base": "invalid_auth"}
    entry = added(home_assistant.post(flow, url=web.url, api_key=TOKEN))
    model = {"model": installed(home_assistant, entry)}
    for name, kind, options in (
        ("Talks", "conversation", TALKS),
        ("Acts", "conversation", ACTS),
        ("Task", "ai_task_data", {}),
    ):
        made = subentry(home_assistant, entry, {"name": name, **model, **options}, kind)
        assert made["type"] == "create_entry", made
    return entry


@pytest.fixture(scope="module", params=["llama_cpp", "ollama"])
def agents(request: pytest.FixtureRequest, home_assistant: HomeAssistant) -> Agents:
    """Those of an entry, told apart by what Home Assistant says of them: whether they control it."""
    entry = request.getfixturevalue(request.param)

    def found() -> dict[bool, str]:
        entities = home_assistant.ask("config/entity_registry/list")
        ids = {each["entity_id"] for each in entities if each["config_entry_id"] == entry}
        agents = (each for each in home_assistant.get("/api/states") if each["entity_id"] in ids)
        return {
            each["attributes"].get("supported_features") == CONTROL: each["entity_id"]
            for each in agents
            if each["entity_id"].startswith("conversation.")
        }

    eventually(lambda: len(found()) == 2)
    return Agents(talks=found()[False], acts=found()[True])


def added(result: Any) -> str:
    """The id of the entry that a flow has made."""
    assert result["type"] == "create_entry", result
    return str(result["result"]["entry_id"])


def subentry(
    home_assistant: HomeAssistant,
    entry: str,
    options: dict[str, Any],
    kind: str = "conversation",
    **which: str,
) -> Any:
    """Add a subentry, or change the one that ``which`` names."""
    flow = form(home_assistant, entry, kind, **which)["flow_id"]
    return home_assistant.post(f"{SUBENTRY}/{flow}", **options)


def form(home_assistant: HomeAssistant, entry: str, kind: str, **which: str) -> Any:
    """The form of a subentry, as soon as there is one: each change loads the entry again."""

    def started() -> Any:
        flow = home_assistant.post(SUBENTRY, handler=[entry, kind], **which)
        return flow if flow["type"] == "form" else None

    return eventually(started)


def installed(home_assistant: HomeAssistant, entry: str) -> str:
    """The one model that Ollama's integration does not want to download."""
    flow = form(home_assistant, entry, "conversation")
    home_assistant.delete(f"{SUBENTRY}/{flow['flow_id']}")
    [choice] = [field["selector"]["select"] for field in flow["data_schema"] if field["name"] == "model"]
    [model] = [option["value"] for option in choice["options"] if "(downloaded)" in option["label"]]
    return str(model)


@pytest.fixture
def asked(broker: Broker) -> Iterator[Hub]:
    """Hears what the node is asked, and its replies."""
    hub = Hub(broker.port, "test/settled", TOPICS.request("web"), TOPICS.reply("web"))
    yield hub
    hub.close()


def requests(hub: Hub) -> list[Any]:
    hub.settle()
    return [json.loads(each) for each in hub.on(TOPICS.request("web"))]


def test_the_second_turn_knows_the_first(home_assistant: HomeAssistant, agents: Agents, asked: Hub) -> None:
    told, question = "My cat is called Momo.", "What is my cat called?"
    first = home_assistant.say(told, agents.talks)
    assert first["response"]["response_type"] == "action_done", speech(first)
    second = home_assistant.say(question, agents.talks, conversation_id=first["conversation_id"])
    assert "Momo" in speech(second)
    system, *turns = requests(asked)[-1]["messages"]
    assert system["role"] == "system"
    assert [(turn["role"], turn["content"].strip()) for turn in turns] == [
        ("user", told),
        ("assistant", speech(first)),
        ("user", question),
    ]


def test_words_come_as_the_node_says_them(home_assistant: HomeAssistant, agents: Agents) -> None:
    pieces = streamed(home_assistant, agents.talks, "What is the capital of Japan?")
    words = [piece["content"] for piece in pieces if piece.get("content")]
    assert len(words) > 1
    assert "Tokyo" in "".join(words)


def test_a_call_of_a_tool_is_carried_out_and_its_result_told(
    home_assistant: HomeAssistant, agents: Agents, asked: Hub
) -> None:
    """Then the demo model goes on to call, until Home Assistant ends it: what it calls is left open."""
    home_assistant.post("/api/services/light/turn_off", entity_id=LAMP)
    before = home_assistant.get(f"/api/states/{LAMP}")
    assert before["state"] == "off"
    home_assistant.say("Turn on the bed lamp.", agents.acts)
    assert home_assistant.get(f"/api/states/{LAMP}")["last_changed"] > before["last_changed"]
    first, second = requests(asked)[:2]
    assert TURN_ON in {tool["function"]["name"] for tool in first["tools"]}
    call = json.loads(asked.on(TOPICS.reply("web"))[0])["calls"][0]
    assert call["name"] == TURN_ON
    made, result, *_ = second["messages"][len(first["messages"]) :]
    [told, *_] = made["tool_calls"]
    assert (told["name"], told["arguments"]) == (call["name"], call["arguments"])
    assert (result["role"], result["tool_call_id"]) == ("tool", told["id"])
    assert LAMP in [each["id"] for each in json.loads(result["content"])["data"]["data"]["success"]]


def test_a_task_is_answered_in_the_form_that_it_asks_for(home_assistant: HomeAssistant, ollama: str) -> None:
    """Of Ollama's integration alone: it sends the form as a schema, to which a reply keeps."""
    assert ollama
    rooms = {"select": {"options": ["kitchen", "cellar"]}}
    degrees = {"number": {"min": 0, "max": 50}}
    answer = home_assistant.post(
        "/api/services/ai_task/generate_data?return_response",
        task_name="reading",
        entity_id=eventually(lambda: home_assistant.entity(r"ai_task\..*")),
        instructions="It is 21 degrees in the kitchen.",
        structure={
            "room": {"selector": rooms, "required": True},
            "celsius": {"selector": degrees, "required": True},
        },
    )
    data = answer["service_response"]["data"]
    assert data["room"] in rooms["select"]["options"]
    assert 0 <= data["celsius"] <= 50
