"""Calls are read out of a reply's text as soon as each is whole."""

import pytest

from edge_llm.engine.constraint.calls import CallReader
from edge_llm.engine.text.calls import CallForm

FORM = CallForm("<tool_call>\n", "name", "arguments", "\n</tool_call>", "\n")
BARE = CallForm("", "name", "parameters", "", None)
TRICKY = {"text": 'a } b { "c" \\ \n</tool_call>'}


def write(form: CallForm, name: str, arguments: str) -> str:
    return f'{form.opening}{{"{form.name_key}": "{name}", "{form.arguments_key}": {arguments}}}{form.closing}'


@pytest.mark.parametrize("form", [FORM, BARE])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_call_is_read_whatever_its_text_is_cut_into(form: CallForm, size: int) -> None:
    text = write(form, "say", '{"text": "a } b { \\"c\\" \\\\ \\n</tool_call>"}')
    reader = CallReader(form)
    made = [call for at in range(0, len(text), size) for call in reader.push(text[at : at + size])]
    assert [(call.name, call.arguments) for call in made] == [("say", TRICKY)]


def test_calls_come_one_by_one_with_ids_of_their_own() -> None:
    reader = CallReader(FORM)
    first, second = write(FORM, "on", '{"name": "a"}'), write(FORM, "on", '{"name": "b"}')
    assert [call.arguments for call in reader.push(first)] == [{"name": "a"}]
    assert [call.arguments for call in reader.push(f"\n{second}")] == [{"name": "b"}]
    assert len({call.id for call in reader.calls}) == 2


def test_a_call_that_is_made_again_is_not_among_the_calls() -> None:
    reader = CallReader(FORM)
    reader.push(write(FORM, "on", "{}"))
    assert not reader.repeats
    assert reader.push(write(FORM, "on", "{}")) == []
    assert reader.repeats
    assert len(reader.calls) == 1


def test_half_a_call_is_none() -> None:
    reader = CallReader(FORM)
    assert reader.push(write(FORM, "on", '{"a": {}}')[:-17]) == []
    assert reader.calls == []


def test_a_call_that_no_client_can_read_does_not_hide_the_next() -> None:
    reader = CallReader(FORM)
    endless, good = write(FORM, "on", '{"level": 1e999}'), write(FORM, "on", '{"level": 1}')
    assert [call.arguments for call in reader.push(f"{endless}\n{good}")] == [{"level": 1}]
