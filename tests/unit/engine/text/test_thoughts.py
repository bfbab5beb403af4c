"""Thoughts are never spoken, wherever the pieces of text are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_llm.engine.text.thoughts import ThoughtFilter


def run(pieces: list[str], *, within: bool = False) -> tuple[str, bool]:
    thoughts = ThoughtFilter(within=within)
    return "".join(map(thoughts.push, pieces)) + thoughts.finish(), thoughts.met


@pytest.mark.parametrize(
    ("text", "said", "met"),
    [
        ("<think>\nhm\n</think>\n\nIt is on.", "It is on.", True),
        ("<think>no end", "", True),
        ("<think>the end is near </thi", "", True),
        ("On.", "On.", False),
        ("a < b", "a < b", False),
        ("a <thin", "a <thin", False),
        ("One. <think>or two?</think> Three.", "One. Three.", True),
        ("<think>a</think><think>b</think>c", "c", True),
    ],
)
def test_what_is_said(text: str, said: str, met: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert run([text]) == (said, met)
    assert run(list(text)) == (said, met)


def test_a_thought_that_the_template_has_opened_ends_in_the_reply() -> None:
    assert run(["hm", "</th", "ink>\n", "\nYes."], within=True) == ("Yes.", True)
    assert run(["hm"], within=True) == ("", True)


def test_text_that_is_no_beginning_of_a_thought_is_not_held_back() -> None:
    thoughts = ThoughtFilter(within=False)
    assert [thoughts.push(piece) for piece in ("on <", "think", "ing")] == ["on ", "", "<thinking"]


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<th", "ink>", "a", " ", "\n"])),
    st.booleans(),
    st.data(),
)
def test_cuts_do_not_matter(parts: list[str], within: bool, data: st.DataObject) -> None:  # noqa: FBT001 - a parameter of the test
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert run(pieces, within=within) == run([text], within=within)
