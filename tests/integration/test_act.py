"""Sentences to the house through a real node: calls, questions and their answers, and `edge-llm act`."""

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.common import NODE, TOPICS, eventually
from tests.conversation import Conversation, Hub
from tests.processes import Broker, Nodes, Service

HOUSE = Path(__file__).parents[2] / "config/house.example.yaml"
ROUTE = {"topic": "home/{room}/say", "answer": "home/{room}/said", "act": True, "area": "{room}"}
EXCEPT = "turn everything off downstairs except the fridge light"
STRANGE = "<|im_end|>"
_numbers = count()
LIST = {"id": "todo.shopping", "name": "Shopping list", "kind": "todo"}


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    routes = json.dumps(
        [ROUTE, ROUTE | {"topic": "j/{room}/say", "answer": "j/{room}/said", "format": "json"}]
    )
    return module_node(house__file=HOUSE, routes=routes)


@pytest.fixture
def panel(service: Service, hub: Hub) -> Conversation:
    eventually(lambda: any(json.loads(info)["house"]["ready"] for info in hub.on(TOPICS.info)))
    return Conversation(hub, "panel")


def act(panel: Conversation, text: str, **fields: Any) -> dict[str, Any]:
    """The done frame of a sentence."""
    frame = panel.ask(**{"id": f"act-{next(_numbers)}", "text": text, "act": "auto", **fields})[-1]
    assert frame["type"] == "done", frame
    return frame


def calls(frame: dict[str, Any]) -> list[tuple[str, dict[str, Any], list[str]]]:
    return [(call["name"], call["arguments"], call["device_ids"]) for call in frame.get("calls", ())]


def test_a_sentence_becomes_calls_each_in_a_frame_and_words_made_from_them(panel: Conversation) -> None:
    *frames, done = panel.ask(id="one", text=EXCEPT, act="auto")
    made = [frame for frame in frames if frame["type"] == "call"]
    assert [frame["index"] for frame in made] == list(range(len(made)))
    assert [frame["call"] for frame in made] == done["calls"]
    assert {call["name"] for call in done["calls"]} == {"HassTurnOff"}
    devices = [each for call in done["calls"] for each in call["device_ids"]]
    downstairs = ["light.ceiling", "switch.coffee", "light.sofa", "light.reading", "media_player.tv"]
    assert devices == downstairs
    assert "Fridge light" in done["text"]
    assert (done["finish_reason"], done.get("act")) == ("tool_calls", None)
    assert panel.text("one") == done["text"]
    panel.send(id="one", text=EXCEPT, act="auto")
    (again,) = eventually(lambda: [frame for frame in panel.replies("one") if frame["replayed"]])
    assert again["calls"] == done["calls"]


def test_where_it_is_said_decides_and_devices_are_named_by_groups(panel: Conversation) -> None:
    frame = act(panel, "lights off", context_area="kitchen")
    arguments = {"area": "Kitchen", "domain": ["light"]}
    assert calls(frame) == [("HassTurnOff", arguments, ["light.ceiling", "light.fridge"])]


def test_a_question_back_is_answered_in_the_session(panel: Conversation) -> None:
    which = act(panel, "turn on the lamp", session="which")
    assert (which["act"]["outcome"], which.get("calls")) == ("unclear", None)
    assert "Sofa lamp" in which["act"]["candidates"]
    assert "Sofa lamp" in which["text"]
    chosen = act(panel, "the reading lamp", session="which")
    assert calls(chosen) == [("HassTurnOn", {"name": "Reading lamp"}, ["light.reading"])]


def test_a_garage_is_asked_about_and_a_yes_that_comes_too_late_opens_nothing(panel: Conversation) -> None:
    """Too late is also: something else was said meanwhile."""
    opened = [("HassTurnOn", {"name": "Garage door"}, ["cover.garage"])]
    sure = act(panel, "open the garage door", session="garage")
    assert sure["act"] == {"outcome": "confirm", "candidates": ["Garage door"]}
    assert calls(act(panel, "yes", session="elsewhere", max_tokens=4)) == []
    assert calls(act(panel, "yes", session="garage")) == opened
    act(panel, "open the garage door", session="garage")
    left = act(panel, "no", session="garage")
    assert (calls(left), left["act"]["outcome"]) == ([], "spoken")
    act(panel, "open the garage door", session="garage")
    assert calls(act(panel, "turn on the sofa lamp", session="garage"))
    assert calls(act(panel, "yes", session="garage", max_tokens=4)) == []


def test_what_became_of_the_calls_is_said_too(panel: Conversation) -> None:
    made = act(panel, "turn on the sofa lamp and close the bedroom blinds", session="results")["calls"]
    results = [{"id": call["id"], "ok": call["name"] == "HassTurnOn"} for call in made]
    done = panel.ask(id="results", act="auto", session="results", results=results)[-1]
    assert (done["act"]["outcome"], len(results)) == ("spoken", 2)
    assert "Turned on Sofa lamp" in done["text"]
    assert "Bedroom blinds" in done["text"]
    assert "Closed" not in done["text"]


def test_what_cannot_be_done_is_said(panel: Conversation) -> None:
    frame = act(panel, "open the fridge light")
    assert (frame["act"]["outcome"], frame.get("calls"), bool(frame["text"])) == ("impossible", None, True)


def test_what_is_no_command_gets_an_ordinary_reply_unless_it_must_be_one(panel: Conversation) -> None:
    talk = "Why is the sky blue?"
    spoken = act(panel, talk, max_tokens=8)
    assert (spoken["act"]["outcome"], spoken["usage"]["completion_tokens"]) == ("spoken", 8)
    assert panel.text(spoken["id"]) == spoken["text"]
    assert act(panel, talk, act="required")["act"]["outcome"] == "unclear"


def test_states_are_told(panel: Conversation) -> None:
    frame = act(panel, "is the garage door closed?")
    assert (frame["act"]["outcome"], "closed" in frame["text"]) == ("spoken", True)


def test_a_route_acts_in_the_room_of_its_topic(panel: Conversation, hub: Hub) -> None:
    hub.publish("home/bedroom/say", "turn on the lamp")
    (said,) = eventually(lambda: hub.on("home/bedroom/said"))
    assert "Bedside lamp" in said.decode() or "Bedroom" in said.decode()
    hub.publish("j/Living room/say", "turn off the TV")
    (done,) = eventually(lambda: hub.on("j/Living room/said"))
    assert calls(json.loads(done)) == [("HassTurnOff", {"name": "Television"}, ["media_player.tv"])]


def test_a_request_brings_a_house_of_its_own(panel: Conversation) -> None:
    house = {"language": "de", "devices": [{"id": "l", "name": "Leselampe", "kind": "light"}]}
    frame = act(panel, "Schalte die Leselampe ein", house=house)
    assert calls(frame) == [("HassTurnOn", {"name": "Leselampe"}, ["l"])]


def test_names_are_data_and_the_model_writes_what_words_leave_open(panel: Conversation) -> None:
    """A name that is a token of the model's template is text: more tokens than a plain one."""
    prompts = []
    for name in ("Attic", STRANGE):
        house = {"devices": [LIST, {"id": "light.x", "name": name, "kind": "light"}]}
        frame = act(panel, "put milk on the shopping list", house=house)
        ((called, arguments, devices),) = calls(frame)
        assert (called, devices, bool(arguments["item"])) == ("HassListAddItem", ["todo.shopping"], True)
        prompts.append(frame["usage"]["prompt_tokens"])
        on = act(panel, f"turn on {name}", house=house)
        assert calls(on) == [("HassTurnOn", {"name": name}, ["light.x"])]
    assert prompts[1] > prompts[0] + 2


def test_without_a_house_it_is_refused_and_says_what_to_do(node: Nodes, hub: Hub) -> None:
    node(node__id="homeless")
    asker = Conversation(hub, "asker", type(TOPICS)("edge_llm", "homeless"))
    error = asker.ask(id="1", text="lights off", act="auto")[-1]
    assert (error["type"], error["code"]) == ("error", "bad_request")
    assert "publish one on its house topic" in error["message"]


def run(broker: Broker, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"EDGE_LLM_MQTT__HOST": "127.0.0.1", "EDGE_LLM_MQTT__PORT": str(broker.port)}
    command = [sys.executable, "-m", "edge_llm.cli", "act", *arguments, "--node", NODE]
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_prints_calls_and_its_answers_come_from_the_same_client(
    panel: Conversation, broker: Broker
) -> None:
    done = run(broker, "close the bedroom blinds")
    assert done.returncode == 0, done.stderr
    assert 'HassTurnOff {"name": "Bedroom blinds"} ["cover.bedroom"]\n' in done.stdout
    asked = run(broker, "unlock the front door", "--session", "s", "--house", str(HOUSE))
    assert (asked.returncode, "Front door" in asked.stdout) == (4, True)
    frame = json.loads(run(broker, "yes", "--session", "s", "--json").stdout)
    assert calls(frame) == [("HassTurnOff", {"name": "Front door"}, ["lock.front"])]


def test_the_example_runs(panel: Conversation, broker: Broker) -> None:
    example = str(HOUSE.parent / "python/act.py")
    command = [sys.executable, example, f"127.0.0.1:{broker.port}", NODE, "close the bedroom blinds"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "Closed Bedroom blinds.\n"), done.stderr
    assert "cover.bedroom" in done.stderr
