"""Acts in the Python client, and the example that carries them out."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from edge_llm.client import RequestError, ToolCall
from edge_llm.contract.frames import Act
from edge_llm.contract.requests import Request, SessionCommand
from edge_llm.house.sources.file import read_house
from tests.unit.client.scripted import Script, client_of, done, forgotten

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config/python/act.py"
OPEN = ToolCall(
    id="call_1", name="HassTurnOn", arguments={"name": "Garage door"}, device_ids=("cover.garage",)
)
CONFIRM = Act(outcome="confirm", candidates=("Garage door",))
SPOKEN = Act(outcome="spoken")


def test_a_house_goes_along_as_an_object_or_as_a_dict_and_loses_nothing() -> None:
    house = read_house(ROOT / "config/house.example.yaml")
    script = Script([[done("", OPEN)], [done("", OPEN)]])
    client = client_of(script)
    for given in (house, house.model_dump(by_alias=True)):
        client.ask("open the garage", act="auto", context_area="garage", house=given)
    for asked in script.asked:
        assert isinstance(asked, Request)
        assert (asked.act, asked.context_area, asked.house) == ("auto", "garage", house)


def test_a_house_that_the_node_would_refuse_is_not_sent() -> None:
    script = Script([])
    with pytest.raises(RequestError, match="kind: Field required"):
        client_of(script).ask("hi", act="auto", house={"devices": [{"id": "a", "name": "A"}]})
    assert script.asked == []


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("act_example", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "carry_out", lambda call: call.name != OPEN.name)
    return module


def test_the_example_answers_carries_out_and_reports(example: Any) -> None:
    replies = [done("Sure?", act=CONFIRM)], [done("", OPEN)], [done("Failed.", act=SPOKEN)], [forgotten()]
    script = Script(replies)
    assert example.act(client_of(script), "open the garage", {"Sure?": "yes"}.__getitem__) == "Failed."
    first, answer, report, last = script.asked
    assert isinstance(first, Request)
    assert isinstance(answer, Request)
    assert isinstance(report, Request)
    assert (first.text, answer.text, report.text) == ("open the garage", "yes", None)
    assert report.results
    assert [(result.id, result.ok) for result in report.results] == [("call_1", False)]
    assert isinstance(last, SessionCommand)
    assert {asked.session for asked in script.asked} == {"act"}


def test_the_example_leaves_what_is_not_answered(example: Any) -> None:
    script = Script([[done("Sure?", act=CONFIRM)], [forgotten()]])
    assert example.act(client_of(script), "open the garage", lambda _question: "") == "Sure?"
