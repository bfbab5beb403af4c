"""`documents: true`: the documents service is asked, and nobody else; without it the caller is told."""

import json
from threading import Event
from typing import Any

import pytest

from edge_llm.contract.topics import OFFLINE
from edge_llm.errors import RequestError
from edge_llm.mqtt.message import Message
from tests.unit.client.scripted import forgotten
from tests.unit.web.parts import DOCUMENTS, INFO, SAID, Node, Web, ended
from tests.unit.web.test_live import take
from tests.unit.web.test_replies import Caller

ASKED: dict[str, Any] = {
    "text": "How is the filter cleaned?",
    "session": "s1",
    "act": "auto",
    "documents": True,
}
SOURCES = {"sources": [{"document": "dish.pdf", "title": "Dishwasher", "heading": "Care", "page": 12}]}
MESSAGES: dict[str, Any] = {"messages": [{"role": "user", "content": "How is the filter cleaned?"}]}
PATHS = [("/v1/chat/completions", {"model": "documents"}), ("/api/chat", {"model": "documents:latest"})]


def last_event(text: str) -> tuple[str, Any]:
    name, data = text.strip().split("\n\n")[-1].split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_it_goes_to_the_service_and_its_sources_come_back() -> None:
    web = Web()
    web.have_documents()
    web.documents._replies = [[ended("Rinse it.", custom=SOURCES)]]
    name, done = last_event(web.post("/chat", ASKED).text)
    assert (name, done["text"], done["custom"]) == ("done", "Rinse it.", SOURCES)
    request = web.documents.request
    assert (request.text, request.session, request.act) == (ASKED["text"], "s1", "auto")
    assert web.node.asked == []


@pytest.mark.parametrize("fields", [{}, {"documents": False}])
def test_without_it_the_node_is_asked_although_the_service_is_there(fields: dict[str, Any]) -> None:
    web = Web()
    web.have_documents()
    assert last_event(web.post("/chat", {"text": "Hello"} | fields).text)[0] == "done"
    assert (len(web.node.asked), web.documents.asked) == (1, [])


def test_without_a_service_the_caller_is_told_and_the_node_is_not_asked() -> None:
    web = Web()
    answer = web.post("/chat", ASKED)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["retryable"]) == (503, "unavailable", True)
    assert "edge-llm documents" in problem["message"]
    assert (web.node.asked, web.documents.asked) == ([], [])


def test_an_error_of_its_own_names_the_service() -> None:
    web = Web()
    web.have_documents()
    web.documents._replies = [[RequestError("timeout", "late")]]  # type: ignore[list-item] # see Node
    name, error = last_event(web.post("/chat", ASKED).text)
    assert (name, error["code"], error["node"]) == ("error", "timeout", "documents")


def test_who_goes_away_cancels_at_the_service() -> None:
    end = Event()
    web = Web()
    web.have_documents()
    web.documents._replies = [[*SAID[:2], end, *SAID[2:]]]  # type: ignore[list-item] # see Node

    async def scene() -> None:
        caller = Caller(web, "/chat", ASKED)
        await caller.heard.wait()
        caller.hang_up()
        await caller.task
        end.set()

    web.run(scene())
    assert (set(web.documents.cancelled), web.node.cancelled) == ({web.documents.request.id}, [])


@pytest.mark.parametrize("there", [True, False])
def test_a_conversation_is_forgotten_by_all_who_are_there(there: bool) -> None:  # noqa: FBT001 - a parameter
    web = Web(Node([forgotten()]))
    web.documents._replies = [[forgotten()]]
    if there:
        web.have_documents()
    assert web.post("/forget", {"session": "s1"}).status_code == 204
    assert [len(each.asked) for each in (web.node, web.documents)] == [1, int(there)]


def test_pages_hear_that_the_service_comes_and_goes() -> None:
    web = Web()

    async def scene() -> None:
        events = web.live.events()
        assert ("documents", {"state": "offline"}) in await take(events, 4)
        web.have_documents()
        assert await take(events, 1) == [("documents", {"state": "online"})]
        web.feed._on_documents_state(Message(DOCUMENTS.state, OFFLINE))
        assert await take(events, 1) == [("documents", {"state": "offline"})]

    web.run(scene())


@pytest.mark.parametrize("info", [INFO.encode(), b"{}", b"", b"null", b"[" * 10_000])
def test_a_node_of_that_name_is_no_documents_service(info: bytes) -> None:
    web = Web()
    web.have_documents(info=info)
    assert not web.feed.has_documents
    assert web.post("/chat", ASKED).status_code == 503


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("path", "named"), PATHS)
def test_in_the_apis_it_is_a_model(path: str, named: dict[str, Any], stream: bool) -> None:  # noqa: FBT001 - a parameter
    web = Web()
    web.have_documents()
    web.documents._replies = [[ended("Rinse it.", custom=SOURCES, model="")]]
    answer = web.post(path, MESSAGES | named | {"stream": stream})
    assert (answer.status_code, len(web.documents.asked), web.node.asked) == (200, 1, [])
    assert "dish.pdf" in answer.text
    if not stream:
        assert answer.json()["model"] == named["model"]
        assert answer.json()["edge_llm"]["sources"] == SOURCES["sources"]


@pytest.mark.parametrize(("path", "named"), PATHS)
def test_a_model_that_is_away_is_no_other_one(path: str, named: dict[str, Any]) -> None:
    web = Web()
    assert web.post(path, MESSAGES | named).status_code == 503
    assert web.node.asked == []


def test_it_is_listed_while_it_is_there() -> None:
    web = Web()
    for there, names in ((False, ["Tiny 1B"]), (True, ["Tiny 1B", "documents"])):
        if there:
            web.have_documents()
        assert [each["id"] for each in web.get("/v1/models").json()["data"]] == names
        tags = [f"{name}:latest" for name in names]
        assert [each["name"] for each in web.get("/api/tags").json()["models"]] == tags
    assert web.get("/v1/models/documents").json()["id"] == "documents"
    assert web.get("/v1/models/other").json()["id"] == "Tiny 1B"
