"""`documents: true` before a real node and a real documents service."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from edge_llm.contract.house import House
from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.integration.test_web_api import HOUSE, LONG, events
from tests.papers import DOCUMENTS, served_papers
from tests.processes import Broker, Documents, Nodes, Service, Web

FILTER = "How do I rinse the filter of the dishwasher?"
NOWHERE = "Zanzibar unicorn spaceship?"
CARE = {"document": "dishwasher.md", "title": "Dishwasher"}


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    return module_node(mqtt__requests_per_minute=6000, engine__slots=1)


@pytest.fixture(scope="module")
def papers(service: Service, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documents]:
    with served_papers(broker, tmp_path_factory.mktemp("documents")) as papers:
        yield papers


@pytest.fixture(scope="module")
def web(papers: Documents, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    web = Web(broker, tmp_path_factory.mktemp("web") / "log")
    wait_until(web, "online")
    yield web
    assert web.stop() == 0


def wait_until(web: Web, state: str) -> None:
    """Wait until a page that is open hears that the service is so."""
    with httpx.stream("GET", f"{web.url}/live", timeout=60) as live:
        next(each for each in events(live) if each == ("documents", {"state": state}))


def chat(web: Web, text: str, **fields: Any) -> Any:
    """The last frame of a reply from the papers."""
    body = {"text": text, "documents": True, "max_tokens": 12, **fields}
    with httpx.stream("POST", f"{web.url}/chat", json=body, timeout=60) as said:
        *_, (name, frame) = events(said)
    assert name == "done", frame
    return frame


def test_an_answer_names_its_sources_and_what_is_not_there_is_said(web: Web) -> None:
    done = chat(web, FILTER, session="page")
    assert CARE.items() <= done["custom"]["sources"][0].items()
    assert (done["node"], done["session"]) == ("documents", "page")
    assert done["text"]
    absent = chat(web, NOWHERE, session="page")
    assert (absent["text"], absent["custom"]) == ("That is not in the papers.", {"sources": []})
    assert absent["usage"]["completion_tokens"] == 0


def test_a_conversation_with_the_papers_is_one_of_its_own_and_is_forgotten(web: Web) -> None:
    tokens = [chat(web, FILTER, session="own")["usage"]["prompt_tokens"] for _ in range(2)]
    assert tokens[0] < tokens[1]
    chat(web, "Hello", session="own", documents=False)
    assert httpx.post(f"{web.url}/forget", json={"session": "own"}).status_code == 204
    assert chat(web, FILTER, session="own")["usage"]["prompt_tokens"] == tokens[0]


def test_a_command_acts_and_has_no_sources(web: Web, hub: Hub) -> None:
    hub.publish(TOPICS.house.replace("+", "tests"), HOUSE.model_dump_json(by_alias=True), retain=True)
    eventually(lambda: json.loads(hub.on(TOPICS.info)[-1]).get("house", {}).get("ready"))
    done = chat(web, "Turn on the ceiling lamp", act="auto")
    [call] = done["calls"]
    assert (call["name"], call["device_ids"]) == ("HassTurnOn", ["light.k"])
    assert not done["custom"]["sources"]
    hub.publish(TOPICS.house.replace("+", "tests"), House().model_dump_json(by_alias=True), retain=True)


def test_in_the_apis_it_is_a_model(web: Web) -> None:
    models = [each["id"] for each in httpx.get(f"{web.url}/v1/models").json()["data"]]
    assert models[1:] == ["documents"]
    body = {"model": "documents", "messages": [{"role": "user", "content": FILTER}], "max_tokens": 4}
    answer = httpx.post(f"{web.url}/v1/chat/completions", json=body, timeout=60).json()
    assert answer["edge_llm"]["sources"][0]["document"] == "dishwasher.md"


def test_who_goes_away_ends_the_reply_of_the_node(web: Web, hub: Hub) -> None:
    """Another reply has the node's one slot: this one waits, until its asker goes."""
    chat(web, FILTER)  # the first question waits for more than the slot
    story = {"text": LONG[0]["content"], "max_tokens": 4000}
    with httpx.stream("POST", f"{web.url}/chat", json=story, timeout=60) as busy:
        next(name for name, _ in events(busy) if name == "delta")
        asked, asked_before = {"text": FILTER, "documents": True}, asked_of_node(hub)
        with httpx.stream("POST", f"{web.url}/chat", json=asked, timeout=60) as said:
            request = next(frame["id"] for _, frame in events(said))
            eventually(lambda: asked_of_node(hub) > asked_before)  # else there is nothing to cancel there
        eventually(lambda: reasons(hub, DOCUMENTS.reply("web")).get(request) == "cancelled")
        eventually(lambda: "cancelled" in reasons(hub, TOPICS.reply("documents")).values())


def asked_of_node(hub: Hub) -> int:
    """Number of requests that the service has sent to the node, and of passages that come before one."""
    topics = TOPICS.request("documents"), TOPICS.prefill("documents")
    return sum(topic in topics for topic, _ in hub.messages)


def reasons(hub: Hub, topic: str) -> dict[str, str]:
    """Why each reply has ended."""
    replies = map(json.loads, hub.on(topic))
    return {reply["id"]: reply.get("finish_reason") for reply in replies}


def test_a_service_that_is_killed_answers_when_it_is_back(web: Web, papers: Documents) -> None:
    papers.kill()
    wait_until(web, "offline")
    refused = httpx.post(f"{web.url}/chat", json={"text": FILTER, "documents": True})
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    papers.restart()
    wait_until(web, "online")
    assert chat(web, FILTER)["custom"]["sources"]
