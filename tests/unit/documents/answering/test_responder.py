"""What becomes of requests between the asker and the node, without a broker and a node."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from edge_llm.client import Delta, Done, RequestError, Status
from edge_llm.contract.frames import Act, Call
from edge_llm.documents.passage import Found
from tests.common import eventually
from tests.unit.documents.answering.desk import HEADER, ON, PASSAGE, SOURCE, Desk, done, frames, terminal


def test_the_passages_go_before_the_question_and_the_answer_names_them(desk: Desk) -> None:
    reply = desk.ask(
        text="What is E15?", system="Be brief.", max_tokens=9, custom={"room": "bath"}, session="s"
    )
    desk.node.says(Status(**HEADER, state="prefill", prompt_tokens=7), Delta(**HEADER, text="Ye"))
    desk.node.says(Delta(**HEADER, text="s."), done("Yes."))
    *deltas, last = frames(reply)
    assert "".join(frame.text for frame in deltas) == "Yes."
    assert {(frame.id, frame.node, frame.session) for frame in (*deltas, last)} == {("1", "documents", "s")}
    assert {json.dumps(frame.custom) for frame in deltas} == {'{"room": "bath"}'}
    assert last.custom == {"room": "bath", "sources": [SOURCE]}
    (asked,) = desk.node.asked
    assert (asked["text"], asked["max_tokens"]) == ("What is E15?", 9)
    assert "> E15: the inlet is blocked." in asked["system"]
    assert asked["system"].endswith("\n\nBe brief.")
    assert "custom" not in asked
    assert not {"1", "s"} & {asked["id"], asked["session"]}


@pytest.mark.parametrize(
    ("custom", "comes_back"),
    [
        (None, {"sources": [SOURCE]}),
        ({"sources": 7}, {"sources": [SOURCE]}),
        ("kitchen", "kitchen"),
        ([1], [1]),
        (0, 0),
    ],
)
def test_a_custom_that_is_no_object_comes_back_as_it_is(desk: Desk, custom: Any, comes_back: Any) -> None:
    reply = desk.ask(text="What is E15?", custom=custom)
    desk.node.says(done())
    assert terminal(reply).custom == comes_back


def test_messages_are_searched_by_the_last_words_of_the_user_and_have_one_system_text(desk: Desk) -> None:
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "What is E15?"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "name": "look", "arguments": {}}]},
        {"role": "tool", "content": "nothing"},
    ]
    reply = desk.ask(messages=turns)
    desk.node.says(done())
    assert terminal(reply).custom == {"sources": [SOURCE]}
    (asked,) = desk.node.asked
    assert [turn["role"] for turn in asked["messages"]] == ["user", "assistant", "tool"]
    assert asked["system"].endswith("\n\nBe kind.")


def test_where_nothing_fits_it_says_so_and_asks_no_model(desk: Desk) -> None:
    delta, last = frames(desk.ask(text="Who is the king?", custom={"a": 1}))
    assert delta.text == last.text == "That is not in the papers."
    assert (last.finish_reason, last.custom) == ("stop", {"a": 1, "sources": []})
    assert desk.node.asked == []


def test_nothing_is_denied_while_the_papers_are_still_being_read(desk: Desk) -> None:
    desk.complete = False
    error = terminal(desk.ask(text="Who is the king?"))
    assert (error.code, error.retryable, error.retry_after_ms) == ("busy", True, 5000)
    desk.ask(text="What is E15?", id="2")
    desk.node.says(done())


@pytest.mark.parametrize(
    "fields",
    [
        {"act": "auto"},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
        {"response_format": {"type": "json_schema", "schema": {"type": "object"}}},
    ],
)
def test_what_is_not_for_the_papers_alone_goes_on_as_it_came(desk: Desk, fields: dict[str, Any]) -> None:
    """With tools it does so whatever is found: no document is to make the model call one."""
    words = "What is E15?" if "tools" in fields else "Turn on the light"
    reply = desk.ask(text=words, system="Be brief.", **fields)
    desk.node.says(done())
    assert terminal(reply).custom == {"sources": []}
    (asked,) = desk.node.asked
    assert asked["system"] == "Be brief."
    assert {name: asked[name] for name in fields}.keys() == fields.keys()


@pytest.mark.parametrize(
    ("ending", "sources"),
    [
        (done(act=Act(outcome="spoken")), [SOURCE]),
        (done(act=Act(outcome="spoken"), prompt_tokens=0), []),  # the house's own answer
        (done(act=Act(outcome="done")), []),
        (done(act=Act(outcome="unclear")), []),
        (done("", calls=(ON,), finish_reason="tool_calls"), []),
    ],
)
def test_what_acts_or_asks_back_or_tells_a_state_has_no_sources(
    desk: Desk, ending: Done, sources: list[Any]
) -> None:
    reply = desk.ask(text="Is E15 on?", act="auto")
    desk.node.says(*(Call(**HEADER, index=0, call=call) for call in ending.calls or ()), ending)
    last = frames(reply)[-1]
    assert last.custom == {"sources": sources}
    assert (last.act, last.calls) == (ending.act, ending.calls)


def test_an_error_of_the_node_is_told_with_its_code_and_what_was_said(desk: Desk) -> None:
    reply = desk.ask(text="What is E15?")
    desk.node.says(Delta(**HEADER, text="It "), RequestError("timeout", "too late"))
    error = terminal(reply)
    assert (error.type, error.code, error.message, error.text) == ("error", "timeout", "too late", "It ")


def test_a_node_that_is_away_is_told_and_not_waited_for(desk: Desk) -> None:
    reply = desk.ask(text="What is E15?")
    desk.node.says(RequestError("unavailable", "node kitchen-pc is not online"))
    assert terminal(reply).code == "unavailable"
    assert reply.told


def test_a_busy_node_is_asked_again_until_the_request_is_too_old(desk: Desk) -> None:
    reply = desk.ask(text="What is E15?")
    desk.node.says(RequestError("busy", "full", retry_after_ms=1))
    desk.node.says(RequestError("rate_limited", "slower", retry_after_ms=1), number=1)
    desk.node.says(done(), number=2)
    assert terminal(reply).type == "done"
    assert desk.node.asked[0] == desk.node.asked[2]
    late = desk.ask(text="What is E15?", id="2", ttl_s=0.05)
    desk.node.says(RequestError("busy", "full", retry_after_ms=100), number=3)
    assert terminal(late).code == "expired"


def test_a_request_is_the_same_to_the_node_when_it_comes_again_and_no_other_is(desk: Desk) -> None:
    for number, fields in enumerate([{}, {}, {"client": "d"}, {"id": "2"}, {"act": "auto"}]):
        reply = desk.ask(**{"text": "What is E15?", "session": "s", **fields})
        desk.node.says(done(), number=number)
        terminal(reply)
    first, again, *others = [(each["id"], each["session"]) for each in desk.node.asked]
    assert first == again
    assert len({each for each, _ in (first, *others)}) == 4
    assert [session == first[1] for _, session in others] == [False, True, True]


def test_a_question_has_another_id_with_other_passages_and_an_act_has_not(desk: Desk) -> None:
    ids = []
    for number, fields in enumerate([{}, {"act": "auto"}] * 2):
        if number == 2:
            desk.found = Found((PASSAGE, PASSAGE))
        reply = desk.ask(text="What is E15?", **fields)
        desk.node.says(done(), number=number)
        terminal(reply)
        ids.append(desk.node.asked[number]["id"])
    assert ids[0] != ids[2]
    assert ids[1] == ids[3]


class TestQuoting:
    """Where ``documents.answer`` is ``quotation``."""

    QUOTED = "Dishwasher: E15: the inlet is blocked."

    @pytest.fixture
    def desk(self) -> Iterator[Desk]:
        desk = Desk(quotes=True)
        yield desk
        desk.responder.stop(0)

    def test_a_question_is_answered_by_what_fits_without_a_model(self, desk: Desk) -> None:
        delta, last = frames(desk.ask(text="What is E15?", custom={"a": 1}))
        assert delta.text == last.text == self.QUOTED
        assert last.custom == {"a": 1, "sources": [SOURCE]}
        assert desk.node.asked == []

    def test_the_node_is_given_the_quotation_for_what_is_no_command(self, desk: Desk) -> None:
        reply = desk.ask(text="What is E15?", act="auto", session="s")
        desk.node.says(done(self.QUOTED, act=Act(outcome="spoken")))
        assert terminal(reply).custom == {"sources": [SOURCE]}
        (asked,) = desk.node.asked
        assert asked["otherwise"] == self.QUOTED
        assert "system" not in asked

    @pytest.mark.parametrize("outcome", ["spoken", "done"])
    def test_what_the_house_answers_has_no_sources(self, desk: Desk, outcome: Any) -> None:
        reply = desk.ask(text="Start E15 in the kitchen", act="auto")
        desk.node.says(done("Turned on E15.", prompt_tokens=0, act=Act(outcome=outcome)))
        assert terminal(reply).custom == {"sources": []}

    def test_a_command_for_certain_goes_on_as_it_is(self, desk: Desk) -> None:
        desk.ask(text="Start E15", act="required")
        desk.node.says(done(act=Act(outcome="unclear")))
        eventually(lambda: desk.node.asked)
        assert not {"otherwise", "system"} & desk.node.asked[0].keys()

    def test_a_reply_by_a_schema_is_the_models_from_the_lines(self, desk: Desk) -> None:
        schema = {"type": "json_schema", "schema": {"type": "object"}}
        reply = desk.ask(text="What is E15?", response_format=schema)
        desk.node.says(done("{}"))
        assert terminal(reply).custom == {"sources": [SOURCE]}
        assert "> E15: the inlet is blocked." in desk.node.asked[0]["system"]

    @pytest.mark.parametrize("act", [None, "auto"])
    def test_what_only_comes_nearest_is_said_to(self, desk: Desk, act: str | None) -> None:
        desk.found = Found((PASSAGE,), (PASSAGE,), is_certain=False)
        reply = desk.ask(text="What is E15?", act=act)
        words = f"It is not certain that the papers say that. What comes nearest:\n{self.QUOTED}"
        if act:
            eventually(lambda: desk.node.asked)
            assert desk.node.asked[0]["otherwise"] == words
        else:
            assert terminal(reply).text == words
            assert terminal(reply).custom == {"sources": [SOURCE]}

    def test_where_nothing_fits_it_says_so(self, desk: Desk) -> None:
        assert terminal(desk.ask(text="Who is the king?")).text == "That is not in the papers."
