"""The household's papers in a real Home Assistant: its agent, a real documents service and a node."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import HomeAssistant, speech
from tests.hubs.agent import NEEDS_HOME_ASSISTANT, described, entry, found, ready_devices, streamed
from tests.hubs.test_home_assistant_setup import FLOWS, SUBENTRIES
from tests.papers import DOCUMENTS, served_papers
from tests.processes import Broker, Documents

pytestmark = NEEDS_HOME_ASSISTANT
FILTER = "How do I rinse the filter of the dishwasher?"
LAMP = "light.bed_light"
ASKED = DOCUMENTS.request("homeassistant")


@pytest.fixture(scope="module")
def papers(
    home_assistant: HomeAssistant, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Documents]:
    with served_papers(broker, tmp_path_factory.mktemp("documents")) as papers:
        yield papers


@pytest.fixture(scope="module")
def reader(home_assistant: HomeAssistant, papers: Documents, agent_hub: Hub) -> str:
    """An agent that answers from the papers, as soon as it does."""
    flow = home_assistant.post(SUBENTRIES, handler=[entry(home_assistant), "conversation"])
    made = home_assistant.post(
        f"{SUBENTRIES}/{flow['flow_id']}", name="Reader", prompt="Be brief.", documents=True
    )
    assert made["type"] == "create_entry", made
    agent = str(eventually(lambda: home_assistant.entity(r"conversation\.reader")))
    eventually(lambda: home_assistant.state(agent) != "unavailable")
    eventually(lambda: home_assistant.say(FILTER, agent) and agent_hub.on(ASKED))
    return agent


def test_an_answer_is_from_the_papers_and_shows_them(home_assistant: HomeAssistant, reader: str) -> None:
    answer = home_assistant.say(FILTER, reader)
    card = answer["response"]["card"]["simple"]
    assert (card["title"], card["content"].split(",")[0]) == ("From the papers", "dishwasher.md")
    assert speech(answer)
    assert "dishwasher.md" not in speech(answer)


def test_the_pipeline_shows_them_and_does_not_speak_them(home_assistant: HomeAssistant, reader: str) -> None:
    deltas = streamed(home_assistant, reader, FILTER)
    assert "dishwasher.md" not in "".join(each.get("content") or "" for each in deltas)
    [shown] = [each for each in deltas if each.get("role") == "tool_result"]
    assert shown["tool_name"] == "documents"
    assert "dishwasher.md" in str(shown)


def test_the_service_is_not_offered_as_a_node(home_assistant: HomeAssistant, reader: str) -> None:
    assert found(home_assistant) is None
    flow = home_assistant.post(FLOWS, handler="edge_llm")
    wrong = home_assistant.post(f"{FLOWS}/{flow['flow_id']}", base_topic="edge_llm", node="documents")
    assert wrong["errors"] == {"base": "is_documents"}


def test_commands_act_and_ask_first(home_assistant: HomeAssistant, reader: str, agent_hub: Hub) -> None:
    straight = len(agent_hub.on(TOPICS.request("homeassistant")))
    home_assistant.say("turn off the bed light", reader)
    answer = home_assistant.say("turn on the bed light", reader)
    assert home_assistant.state(LAMP) == "on"
    assert answer["response"]["card"] == {}
    asked = home_assistant.say("unlock the front door", reader)
    assert home_assistant.state("lock.front_door") == "locked"
    home_assistant.say("yes", reader, conversation_id=asked["conversation_id"])
    eventually(lambda: home_assistant.state("lock.front_door") == "unlocked")
    assert len(agent_hub.on(TOPICS.request("homeassistant"))) == straight


def test_a_service_that_is_killed_in_the_middle_has_a_command_done_once(
    home_assistant: HomeAssistant, reader: str, papers: Documents, agent_hub: Hub
) -> None:
    flow = home_assistant.post(FLOWS, handler="shopping_list")
    home_assistant.post(f"{FLOWS}/{flow['flow_id']}")
    eventually(lambda: "todo.shopping_list" in described(agent_hub))
    eventually(lambda: ready_devices(agent_hub) == len(described(agent_hub)))
    before = len(agent_hub.on(ASKED))
    papers.process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(home_assistant.say, "add milk to the shopping list", reader)
        eventually(lambda: len(agent_hub.on(ASKED)) > before)
        papers.kill()
        papers.restart()
        assert answer.result()["response"]["response_type"] == "action_done", speech(answer.result())
    assert home_assistant.state("todo.shopping_list") == "1"


def test_while_the_service_is_away_the_node_acts(
    home_assistant: HomeAssistant, reader: str, papers: Documents, agent_hub: Hub
) -> None:
    papers.kill()
    eventually(lambda: agent_hub.on(DOCUMENTS.state)[-1] == b"offline")
    home_assistant.say("turn off the bed light", reader)
    assert home_assistant.state(LAMP) == "off"
