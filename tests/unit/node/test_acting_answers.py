"""What is asked back before something is done, and what the answers do."""

import json
from typing import Any

import pytest

from edge_llm.contract.requests import Request
from edge_llm.errors import RequestError
from edge_llm.node.acts import memory as act_memory
from edge_llm.node.acts.acting import Said
from edge_llm.node.acts.memory import ANSWER_WITHIN_S
from tests.unit.house.houses import house, light
from tests.unit.node.talk import AREAS, DEVICES, HOUSE, Talk, ids, outcome


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(act_memory, "monotonic", lambda: now[0])
    return now


def test_where_several_fit_it_asks_which_and_is_answered_with_a_word() -> None:
    talk = Talk()
    said = talk.say("turn on the light")
    assert outcome(said) == "unclear"
    assert said.text == "Which one do you mean: Spot, Counter strip or Bedside lamp?"
    assert said.outcome
    assert said.outcome.candidates == ("Spot", "Counter strip", "Bedside lamp")
    answer = talk.say("the counter strip, please")
    assert (ids(answer), answer.text) == ([("strip",)], "Turned on Counter strip.")


def test_an_answer_keeps_the_value_that_was_said() -> None:
    talk = Talk()
    assert outcome(talk.say("set the light to 30 percent")) == "unclear"
    (call,) = talk.say("spot").calls
    assert call.arguments == {"name": "Spot", "brightness": 30}


def test_a_question_is_answered_once() -> None:
    talk = Talk()
    talk.say("turn on the light")
    talk.say("spot")
    assert outcome(talk.say("spot")) == "unclear", "what to do with it is not said any more"


@pytest.mark.parametrize("other", [{"session": "t"}, {"session": None}, {"client": "d"}])
def test_a_question_is_answered_in_its_session_only(other: dict[str, Any]) -> None:
    talk = Talk("lock")
    assert outcome(talk.say("unlock the front door")) == "confirm"
    assert talk.begin("yes", **other) is None
    assert ids(talk.say("yes")) == [("door",)]


def test_without_a_session_nothing_is_remembered() -> None:
    talk = Talk("lock")
    assert outcome(talk.say("unlock the front door", session=None)) == "confirm"
    assert talk.begin("yes", session=None) is None


def test_a_command_instead_of_an_answer_is_a_command() -> None:
    talk = Talk()
    talk.say("turn on the light")
    assert ids(talk.say("close the slats")) == [("blind",)]


def test_many_candidates_are_named_but_not_asked_about() -> None:
    lights = [light(f"l{number}", f"Lamp {name}") for number, name in enumerate("abcdefg")]
    talk = Talk()
    talk.acting.use(house(*lights))
    said = talk.say("turn on the light")
    assert said.text == "I am not sure what you mean. Can you say it in other words?"
    assert outcome(said) == "unclear"


def misheard() -> Talk:
    """One who was asked about the bedroom."""
    talk = Talk()
    said = talk.say("turn on the light in the bad room", context_area="Kitchen")
    assert (outcome(said), said.text) == ("unclear", "Do you mean the lights in Bedroom?")
    assert said.outcome
    assert said.outcome.candidates == ("Bedside lamp",)
    return talk


@pytest.mark.parametrize(
    "answer", ["yes", "Yes, please.", "the bedroom", "I want the bedroom lights, please"]
)
def test_what_was_misheard_is_done_when_it_is_said_again_or_with_a_yes(answer: str) -> None:
    assert ids(misheard().say(answer, context_area="Kitchen")) == [("bed",)]


@pytest.mark.parametrize(
    "answer", ["no", "no, the kitchen light", "the hull", "the kitchen", "in the bathroom"]
)
def test_whatever_else_is_answered_it_is_not(answer: str) -> None:
    said = misheard().begin(answer, context_area="Kitchen")
    assert not isinstance(said, Said) or not said.calls


def test_what_the_settings_list_is_asked_about_then_too() -> None:
    talk = Talk("light")
    talk.say("turn on the light in the bad room", context_area="Kitchen")
    assert outcome(talk.say("yes")) == "confirm"
    assert ids(talk.say("yes")) == [("bed",)]


@pytest.mark.parametrize(
    ("sentence", "calls"),
    [
        ("unlock the front door", [("door",)]),
        ("please open our garage door", [("garage",)]),
        ("turn on the spot and unlock the front door", [("spot",), ("door",)]),
        ("turn off everything in the house", [("spot", "strip", "bed", "tv")]),
        ("turn off all the lights", [("spot", "strip", "bed")]),
    ],
)
def test_what_the_settings_list_is_asked_about_first(sentence: str, calls: list[tuple[str, ...]]) -> None:
    talk = Talk(default=True)
    said = talk.say(sentence)
    assert outcome(said) == "confirm"
    assert said.text.endswith("Yes or no?")
    assert ids(talk.say("yes, please")) == calls


@pytest.mark.parametrize(
    "sentence",
    ["turn on the spot", "close the slats", "switch all the kitchen lights off", "turn off the screen"],
)
def test_what_they_do_not_list_is_not(sentence: str) -> None:
    assert outcome(Talk(default=True).say(sentence)) is None


@pytest.mark.parametrize(
    ("confirm", "sentence", "expected"),
    [
        ("light", "turn on the spot", "confirm"),
        ("cover:blind", "close the slats", "confirm"),
        ("cover:blind", "please open our garage door", None),
        ("cover", "please open our garage door", "confirm"),
        ("all", "turn off all the lights", "confirm"),
        ("all", "turn off the spot", None),
        ("lock", "turn off all the lights", None),
    ],
)
def test_an_entry_is_a_kind_or_a_class_or_the_whole_house(
    confirm: str, sentence: str, expected: str | None
) -> None:
    assert outcome(Talk(confirm).say(sentence)) == expected


def test_an_empty_list_asks_about_nothing() -> None:
    assert ids(Talk().say("unlock the front door")) == [("door",)]


def test_what_will_be_done_is_named_in_the_question() -> None:
    said = Talk("lock").say("unlock the front door")
    assert said.text == "Please confirm: unlock, Front door. Yes or no?"
    assert said.outcome
    assert said.outcome.candidates == ("Front door",)


def test_a_no_does_nothing_and_a_later_yes_neither() -> None:
    talk = Talk("lock")
    talk.say("unlock the front door")
    said = talk.say("no, thanks")
    assert (said.calls, said.text) == ((), "All right, I leave it as it is.")
    assert talk.begin("yes") is None


def test_neither_yes_nor_no_is_a_sentence_of_its_own() -> None:
    """And the question is over."""
    talk = Talk("lock")
    talk.say("unlock the front door")
    assert ids(talk.say("turn on the spot")) == [("spot",)]
    assert talk.begin("yes") is None


def test_a_yes_counts_for_some_time_only(clock: list[float]) -> None:
    talk = Talk("lock")
    talk.say("unlock the front door")
    clock[0] += ANSWER_WITHIN_S
    assert ids(talk.say("yes")) == [("door",)]
    talk.say("unlock the front door")
    clock[0] += ANSWER_WITHIN_S + 0.1
    assert talk.begin("yes") is None


def test_an_answer_counts_for_some_time_only(clock: list[float]) -> None:
    talk = Talk()
    talk.say("turn on the light")
    clock[0] += ANSWER_WITHIN_S + 0.1
    assert outcome(talk.say("spot")) == "unclear"


def test_an_answer_is_asked_about_too() -> None:
    talk = Talk("light")
    assert outcome(talk.say("turn on the light")) == "unclear"
    assert outcome(talk.say("spot")) == "confirm"
    assert ids(talk.say("yes")) == [("spot",)]


def test_only_so_many_questions_are_remembered() -> None:
    talk = Talk("lock")
    for number in range(act_memory.MOST_SESSIONS + 1):
        talk.say("unlock the front door", session=f"s{number}")
    assert talk.begin("yes", session="s0") is None
    assert ids(talk.say("yes", session="s1")) == [("door",)]


def report(talk: Talk, said: Said, *failed: int, **fields: Any) -> Said:
    """Report what became of calls: all went well, but for those of some numbers."""
    results = [{"id": call.id, "ok": number not in failed} for number, call in enumerate(said.calls)]
    given = {"act": "auto", "session": "s", "results": results} | fields
    told = talk.acting.begin("c", Request.model_validate_json(json.dumps(given)))
    assert isinstance(told, Said)
    return told


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ((), "Turned on Spot. Closed Slats."),
        ((1,), "Turned on Spot. That did not work: Slats."),
        ((0, 1), "That did not work: Spot, Slats."),
    ],
)
def test_what_became_of_calls_is_said(failed: tuple[int, ...], expected: str) -> None:
    talk = Talk()
    told = report(talk, talk.say("turn on the spot and close the slats"), *failed)
    assert (told.text, outcome(told)) == (expected, "spoken")


def test_a_report_of_other_calls_is_refused() -> None:
    talk = Talk()
    before = talk.say("turn on the spot")
    talk.say("close the slats")
    for fields in ({}, {"session": "t"}):
        with pytest.raises(RequestError, match="results") as error:
            report(talk, before, **fields)
        assert error.value.code == "bad_request"


def test_an_answer_reaches_nothing_that_is_gone_from_the_house() -> None:
    talk = Talk("lock")
    left = [each for each in DEVICES if each["id"] not in ("door", "spot")]
    for question, answer in (("unlock the front door", "yes"), ("turn on the light", "spot")):
        talk.say(question)
        talk.acting.use(house(*left, areas=AREAS))
        again = talk.begin(answer)
        assert again is None or (isinstance(again, Said) and not again.calls)
        talk.acting.use(HOUSE)
