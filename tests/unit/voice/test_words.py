"""How tests/hubs/test_voice.py compares what was said with what was heard."""

import pytest

from tests.hubs.voice.sentences import SPOKEN
from tests.hubs.voice.words import same_words, share_of_words


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Turn on the light.", "turn on the light"),
        ("Set it to thirty percent.", "Set it to 30%."),
        ("Set it to twenty two degrees.", "set it to twenty-two degrees"),
        ("Set it to twenty two degrees.", "Set it to 22°."),
        ("twenty one and a half degrees", "21.5 degrees"),
        ("one hundred percent", "100%"),
    ],
)
def test_the_same_words(said: str, heard: str) -> None:
    assert same_words(said, heard)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Turn off the hall light.", "Turn off the whole light."),
        ("Close the blinds.", "Close the blind."),
        ("Set it to nineteen degrees.", "Set it to 90 degrees."),
        ("Turn it on.", "Turn on."),
    ],
)
def test_other_words(said: str, heard: str) -> None:
    assert not same_words(said, heard)


def test_the_share_of_words() -> None:
    assert share_of_words("Closed the bedroom curtain.", "close the bedroom curtain") == 0.75


def test_there_are_40_commands_each_once() -> None:
    assert len({sentence.text for sentence in SPOKEN}) == 40
