"""`edge-llm documents` through kills and stops, and when many ask at once."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from edge_llm.client import Client, Done, RequestError
from edge_llm.client.info import node_info
from tests import documents_home
from tests.common import NODE, eventually
from tests.conversation import Conversation, Hub
from tests.documents_home import E15, E22, ENDLESS, PAPERS, Home, sources
from tests.processes import Documents, clean_environment

folder, home, client = documents_home.folder, documents_home.home, documents_home.client


@pytest.mark.parametrize("part", ["documents", "node", "broker"])
def test_a_question_in_progress_is_answered_whatever_is_killed(home: Home, hub: Hub, part: str) -> None:
    talk = Conversation(hub, part, PAPERS)
    talk.send(id="q", text=E15, max_tokens=60)
    talk.begun("q")
    killed: Any = getattr(home, part)
    killed.kill()
    (killed.start if part == "broker" else killed.restart)()
    *_, done = talk.ended("q")
    assert (done["type"], len(talk.replies("q"))) == ("done", 1)
    assert done["custom"]["sources"]
    assert home.documents.process.poll() is None


def test_a_stop_leaves_a_long_answer_to_the_next_process(home: Home, hub: Hub) -> None:
    talk = Conversation(hub, "stop", PAPERS)
    talk.send(id="long", text=E15, max_tokens=400, response_format={"type": "json_schema", "schema": ENDLESS})
    talk.begun("long")
    assert home.documents.stop() == 0
    assert talk.replies("long") == []
    home.documents.restart()
    assert talk.ended("long")[-1]["finish_reason"] == "length"


def test_a_node_that_is_away_is_told_at_once(
    home: Home, client: Client, tmp_path: Path, folder: Path
) -> None:
    papers = tmp_path / "log"
    lonely = Documents(
        home.mqtt.port,
        None,
        papers,
        documents__folder=folder,
        documents__id="lonely",
        documents__answer="model",
        node__id="nobody",
    )
    lonely.wait_serving()
    with Client(home.mqtt, "lonely", "reader") as asker, pytest.raises(RequestError) as away:
        list(asker.stream(E15, retry=False))
    assert (away.value.code, "node nobody is not online" in str(away.value)) == ("unavailable", True)
    assert lonely.stop() == 0


def test_many_ask_at_once_and_each_gets_an_answer(home: Home) -> None:
    answers: dict[int, Done] = {}

    def ask(number: int) -> None:
        with Client(home.mqtt, "documents", f"asker-{number}") as client:
            answers[number] = client.ask(E15 if number % 2 else E22, max_tokens=4, custom={"number": number})

    threads = [Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert {number: done.custom["number"] for number, done in answers.items()} == {
        number: number for number in range(24)
    }


def test_its_info_is_its_own_and_follows_the_folder(home: Home, hub: Hub, folder: Path) -> None:
    def papers() -> Any:
        return hub.on(PAPERS.info) and json.loads(hub.on(PAPERS.info)[-1])["papers"]

    info = node_info(home.mqtt, "documents")
    assert info["state"] == "online"
    assert info["info"]["features"] == ["documents"]
    assert info["info"]["asks_node"] == NODE
    eventually(lambda: papers() == {"documents": 2, "passages": 3, "unread": 0})
    (folder / "fridge.md").write_text("# Fridge\n\nThe fridge hums when it is too full.\n")
    eventually(lambda: papers()["documents"] == 3)
    with Client(home.mqtt, "documents", "reader") as client:
        assert sources(client.ask("Why does the fridge hum?", max_tokens=4)) == ["fridge.md"]


def test_ask_prints_where_an_answer_is_from(home: Home) -> None:
    environment = clean_environment() | {
        "EDGE_LLM_MQTT__PORT": str(home.mqtt.port),
        "EDGE_LLM_NODE__ID": NODE,
    }
    command = [sys.executable, "-m", "edge_llm.cli", "ask", "--documents", "--max-tokens", "8", E15]
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert asked.stdout.splitlines()[-2:] == [
        "from: dishwasher.md: Error codes > E15",
        "from: dishwasher.md: Error codes > E22",
    ]
