"""Replies as they are spoken."""

import pytest

from edge_llm.voice.speakable import Sentences


def sentences(text: str, piece: int = 3, *, is_cut: bool = False) -> list[str]:
    """The sentences of a text that comes in pieces."""
    found = Sentences()
    whole = [each for at in range(0, len(text), piece) for each in found.add(text[at : at + piece])]
    return whole + found.end(is_cut=is_cut)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Turned on Kitchen light.", ["Turned on Kitchen light."]),
        ("It is **21.5 °C**, or 70 %.", ["It is 21.5 °C, or 70 %."]),
        ("# Three ways\n\n- Use `LED` lamps.\n- *Close* it", ["Three ways", "Use LED lamps.", "Close it"]),
        ("See [the page](http://x.y/z).", ["See the page."]),
        ("| day | rain |\n|---|---|\n| Monday | 3 |", ["day, rain", "Monday, 3"]),
        ("This is how:\n```sh\nrm -r it. Now\n```\nThat is all.", ["This is how:", "That is all."]),
        ("Good morning! 😀 <b>Sunny</b> today.", ["Good morning!", "Sunny today."]),
        ("5 * 3 of a snake_case _name_", ["5 * 3 of a snake_case name"]),
        ("Yes. No. It is on now. And off.", ["Yes. No. It is on now.", "And off."]),
        (
            "今天天气非常非常非常好。我们现在就出去走一走吧。好",
            ["今天天气非常非常非常好。", "我们现在就出去走一走吧。", "好"],
        ),
        ("Set the speed of Fan to 33.333333%.", ["Set the speed of Fan to 33.3%."]),
        (" \n ", []),
    ],
)
def test_markdown_is_not_read_aloud(written: str, spoken: list[str]) -> None:
    assert sentences(written) == spoken
    assert sentences(written, 1) == spoken
    assert sentences(written, 1000) == spoken


def test_a_sentence_is_handed_out_as_soon_as_it_is_whole() -> None:
    found = Sentences()
    assert found.add("The first sentence. The sec") == ["The first sentence."]
    assert found.add("ond one.\n") == ["The second one."]


def test_of_a_reply_that_was_cut_the_last_whole_sentence_is_the_end() -> None:
    assert sentences("The first sentence. The second is not", is_cut=True) == ["The first sentence."]
    assert sentences("The first sentence. The second.", is_cut=True) == ["The first sentence.", "The second."]
