"""What sentences to the house come to: calls, questions back, or words."""

import json
from threading import Timer
from typing import Any

import pytest

from edge_llm.config import HouseSettings
from edge_llm.contract.frames import TimingMs, Usage
from edge_llm.contract.requests import Request
from edge_llm.engine.types import Completion, GenerationRequest
from edge_llm.errors import RequestError
from edge_llm.node.acts.acting import LEAST_PROBABILITY, Acting, Said
from tests.unit.house.houses import house
from tests.unit.node.talk import HOUSE, Talk, ids, outcome

OTHER = {"devices": [{"id": "x", "name": "Spot", "kind": "switch"}]}


def completion(text: str, probability: float | None = 0.99, finish_reason: Any = "stop") -> Completion:
    usage = Usage(prompt_tokens=9, cached_tokens=0, completion_tokens=9)
    timing = TimingMs(queue=0, prefill=1, ttft=1, total=2)
    return Completion(text, finish_reason, usage, timing, probability=probability)


def test_a_plain_command_is_called_and_told_without_the_model() -> None:
    said = Talk().say("turn on the bedside lamp")
    assert said.text == "Turned on Bedside lamp."
    assert [(call.name, call.arguments) for call in said.calls] == [("HassTurnOn", {"name": "Bedside lamp"})]
    assert said.outcome is None


def test_a_call_has_the_same_id_when_its_request_comes_again() -> None:
    """Who carries it out can tell that it has; another request is another call."""
    talk = Talk()
    sentence = "turn on the spot and close the slats"
    first, again = talk.say(sentence, id="one"), talk.say(sentence, id="one")
    assert [call.id for call in first.calls] == [call.id for call in again.calls]
    other = [*talk.say(sentence, id="two").calls, *talk.say(sentence, "d", id="one").calls]
    assert len({call.id for call in (*first.calls, *other)}) == 6


def test_without_a_house_an_act_is_refused() -> None:
    request = Request(text="lights off", act="auto")
    empty = Acting(HouseSettings())
    empty.use(house())
    for none in (Acting(HouseSettings()), empty):
        with pytest.raises(RequestError, match="house") as error:
            none.begin("c", request)
        assert error.value.code == "bad_request"


def test_the_house_that_is_used_may_change() -> None:
    talk = Talk()
    talk.acting.use(house({"id": "y", "name": "Spot", "kind": "switch"}))
    assert ids(talk.say("turn on the spot")) == [("y",)]


def test_a_request_may_bring_its_own_house() -> None:
    talk = Talk()
    assert ids(talk.say("turn on the spot", house=OTHER)) == [("x",)]
    assert ids(talk.say("turn on the spot")) == [("spot",)]


def test_a_house_of_a_request_needs_none_of_the_nodes() -> None:
    request = Request.model_validate_json(
        json.dumps({"text": "turn on the spot", "act": "auto", "house": OTHER})
    )
    said = Acting(HouseSettings()).begin("c", request)
    assert isinstance(said, Said)
    assert ids(said) == [("x",)]


def test_the_last_few_houses_of_requests_are_kept_compiled() -> None:
    talk = Talk()

    def compiled(number: int) -> object:
        given = {"devices": [{"id": "x", "name": f"Basket {number}", "kind": "todo"}]}
        return talk.ask(f"add rye bread to basket {number}", house=given).command.house

    first = compiled(0)
    assert compiled(0) is first
    for number in range(1, 5):
        compiled(number)
    assert compiled(0) is not first


def test_states_that_are_known_are_told() -> None:
    said = Talk().say("is my front door locked now?")
    assert (outcome(said), said.text) == ("spoken", "Yes. Front door: locked.")


def test_a_question_about_a_state_that_is_not_known_is_passed_on() -> None:
    said = Talk("media_player").say("is the screen on?")
    assert [(call.name, call.arguments) for call in said.calls] == [("HassGetState", {"name": "Screen"})]
    assert said.text == ""


def test_no_command_is_an_ordinary_reply_unless_an_act_is_required() -> None:
    talk = Talk()
    assert talk.begin("tell me a joke") is None
    assert outcome(talk.say("tell me a joke", act="required")) == "unclear"


def test_what_cannot_be_done_is_said() -> None:
    said = Talk().say("open the spot")
    assert (outcome(said), said.text) == ("impossible", "I cannot do that here.")


def test_the_model_chooses_greedily_among_what_is_left() -> None:
    asking = Talk().ask("turn it off", context_area="Bedroom")
    request = asking.generation(GenerationRequest((), 9, owner="c", deadline=5.0))
    assert request.response_schema == asking.undecided.schema
    assert request.turns[-1].content == "[Bedroom] turn it off"
    assert (request.measured, request.sampling.temperature) == (True, 0)
    assert (request.owner, request.deadline) == ("c", 5.0)


CHOSEN = '[{"device": "Bedroom: players", "action": "turn off"}]'


def test_what_the_model_has_chosen_is_done() -> None:
    talk = Talk()
    said = talk.acting.conclude(talk.ask("turn it off", context_area="b"), completion(CHOSEN))
    assert ids(said) == [("tv",)]
    assert said.text == "Turned off the players in Bedroom."


def test_what_the_model_has_chosen_is_asked_about_as_well() -> None:
    talk = Talk("media_player")
    said = talk.acting.conclude(talk.ask("turn it off", context_area="b"), completion(CHOSEN))
    assert outcome(said) == "confirm"
    assert ids(talk.say("yes")) == [("tv",)]


@pytest.mark.parametrize(
    ("probability", "finish_reason"),
    [(LEAST_PROBABILITY - 0.01, "stop"), (None, "stop"), (0.99, "length"), (0.99, "cancelled")],
)
def test_where_the_model_is_not_sure_or_was_cut_it_asks(
    probability: float | None, finish_reason: str
) -> None:
    talk = Talk()
    asking = talk.ask("turn it off", context_area="b")
    text = CHOSEN if finish_reason == "stop" else CHOSEN[:20]
    said = talk.acting.conclude(asking, completion(text, probability, finish_reason))
    assert outcome(said) == "unclear"
    assert said.text == "Which one do you mean: Bedside lamp or Screen?"
    assert ids(talk.say("the screen")) == [("tv",)]


def test_a_choice_that_is_just_sure_enough_is_done() -> None:
    talk = Talk()
    asking = talk.ask("turn it off", context_area="b")
    assert ids(talk.acting.conclude(asking, completion(CHOSEN, LEAST_PROBABILITY))) == [("tv",)]


def test_an_item_of_a_list_may_be_anything() -> None:
    """Nobody knows how likely bread is."""
    talk = Talk()
    text = '[{"device": "Groceries", "action": "add", "value": "rye bread"}]'
    said = talk.acting.conclude(talk.ask("add rye bread to the groceries"), completion(text, 0.05))
    assert said.text == "Added rye bread to Groceries."
    assert [call.arguments for call in said.calls] == [{"name": "Groceries", "item": "rye bread"}]


def test_an_act_that_comes_before_the_house_waits_for_it() -> None:
    """As after a restart: the broker hands out what it has kept at once, and the house a moment later."""
    acting = Acting(HouseSettings(confirm=()))
    request = Request(text="turn on the bedside lamp", act="auto")
    with pytest.raises(RequestError, match="knows no house"):
        acting.check(request)
    acting.expect_house()
    acting.check(request)
    later = Timer(0.05, lambda: acting.use(HOUSE))
    later.start()
    said = acting.begin("c", request)
    later.join()
    assert isinstance(said, Said)
    assert ids(said) == [("bed",)]


def test_an_act_waits_for_no_house_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_llm.node.acts.acting.EXPECT_HOUSE_S", 0.02)
    acting = Acting(HouseSettings())
    acting.expect_house()
    with pytest.raises(RequestError, match="knows no house"):
        acting.begin("c", Request(text="turn on the bedside lamp", act="auto"))


def test_an_act_that_waits_for_a_house_is_left_to_the_next_process() -> None:
    acting = Acting(HouseSettings())
    acting.expect_house()
    Timer(0.05, acting.stop).start()
    with pytest.raises(RequestError) as error:
        acting.begin("c", Request(text="lights off", act="auto"))
    assert error.value.code == "unavailable"
