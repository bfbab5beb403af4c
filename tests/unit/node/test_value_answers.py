"""Where a sentence names a property and no value, the node asks for it, and the answer does the rest."""

import pytest

from tests.unit.node.talk import Talk, ids, outcome


def test_which_value_is_asked_back_and_the_answer_sets_it() -> None:
    talk = Talk()
    said = talk.say("set the volume of the screen")
    assert (outcome(said), said.text) == ("unclear", "Please say which value: set volume, Screen.")
    assert said.outcome
    assert said.outcome.candidates == ("Screen",)
    (call,) = talk.say("30 percent").calls
    assert (call.name, call.arguments) == ("HassSetVolume", {"name": "Screen", "volume_level": 30})
    assert outcome(talk.say("30 percent")) == "unclear", "it is answered once"


def test_first_which_device_and_then_which_value() -> None:
    talk = Talk()
    assert talk.say("change the color of the light").text.startswith("Which one do you mean: Spot, ")
    assert talk.say("the spot").text == "Please say which value: set color, Spot."
    (call,) = talk.say("red").calls
    assert call.arguments == {"name": "Spot", "color": "red"}, "and not all lights"


def test_nothing_of_a_sentence_is_done_before_its_value_is_known() -> None:
    talk = Talk()
    assert outcome(talk.say("close the slats and set the volume of the screen")) == "unclear"
    assert ids(talk.say("to 10")) == [("blind",), ("tv",)]


def test_what_the_settings_list_is_asked_about_then_too() -> None:
    talk = Talk("media_player")
    talk.say("set the volume of the screen")
    assert outcome(talk.say("30")) == "confirm"
    assert ids(talk.say("yes")) == [("tv",)]


def test_a_yes_is_no_value() -> None:
    talk = Talk()
    asked = talk.say("set the volume of the screen")
    assert talk.say("yes").text == asked.text
    assert ids(talk.say("louder")) == [("tv",)]


def test_a_no_leaves_it() -> None:
    talk = Talk()
    talk.say("set the volume of the screen")
    assert talk.say("no").text == "All right, I leave it as it is."
    assert outcome(talk.say("30")) == "unclear"


@pytest.mark.parametrize("sentence", ["turn on the spot", "set the spot to 30 percent"])
def test_a_command_instead_of_the_value_is_a_command(sentence: str) -> None:
    talk = Talk()
    talk.say("set the volume of the screen")
    assert ids(talk.say(sentence)) == [("spot",)]
