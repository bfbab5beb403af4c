"""What is said where the node says nothing."""

from importlib import resources
from typing import get_args

from edge_llm.errors import Code
from edge_llm.voice.apologies import SENTENCES, Reason, apology, reason_of


def test_every_language_has_every_sentence() -> None:
    for said in SENTENCES.values():
        assert list(said) == list(get_args(Reason))


def test_there_are_those_languages_that_the_house_has() -> None:
    tables = resources.files("edge_llm.house.language") / "tables"
    assert SENTENCES.keys() == {path.name.removesuffix(".toml") for path in tables.iterdir()}


def test_the_first_language_that_is_known_is_spoken() -> None:
    assert apology("silence", "de-AT", "fr") == "Ich habe nichts gehört."
    assert apology("silence", "tlh", "zh_Hans") == SENTENCES["zh"]["silence"]
    assert apology("silence", None) == "I heard nothing."


def test_every_code_of_an_error_has_a_sentence() -> None:
    assert {reason_of(code) for code in get_args(Code)} <= SENTENCES["en"].keys()
    assert (reason_of("unavailable"), reason_of("busy"), reason_of("timeout")) == ("away", "busy", "late")
