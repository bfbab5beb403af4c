"""Replies under a grammar: calls and JSON, forced tokens, drafts, and other replies beside them."""

from math import ceil
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llm.contract.tools import NamedTool
from edge_llm.engine.constraint.matcher import Matcher
from edge_llm.engine.prompt import PREFILL_CHUNK
from edge_llm.engine.types import CallEvent, Failure, TokenEvent
from tests.unit.engine.constraint.replies import Replies, Scores, merged_tokenizer, tool, wanting

ON = tool(
    "on",
    {"type": "object", "properties": {"name": {"enum": ["lamp", "lamp 2", "fan"]}}, "required": ["name"]},
)
OFF = tool("off")
VOCAB = merged_tokenizer().get_vocab_size()
CALL = '<tool_call>\n{"name": "on", "arguments": {"name": "fan"}}\n</tool_call>'
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}


def replies(directory: Path, scores: Scores, slots: int = 1) -> Replies:
    return Replies(directory, scores, slots)


def calls(events: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(event.call.name, event.call.arguments) for event in events.seen if isinstance(event, CallEvent)]


def test_a_call_comes_as_soon_as_it_is_whole_and_its_markup_is_in_no_text(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting(CALL))
    events = bench.submit(tools=(ON, OFF))
    bench.finish()
    completion = events.completion
    assert calls(events) == [("on", {"name": "fan"})]
    assert completion.text == ""
    assert not any(isinstance(event, TokenEvent) for event in events.seen)
    assert completion.finish_reason == "tool_calls"
    assert completion.token_ids is not None
    assert [call.name for call in completion.calls] == ["on"]


def test_a_model_that_speaks_may_do_so(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting("It is warm."))
    events = bench.submit(tools=(ON,))
    bench.finish()
    assert (events.completion.text, events.completion.finish_reason) == ("It is warm.", "stop")
    assert events.completion.usage.forced_tokens == 0


def test_logits_are_exact_where_the_grammar_may_choose_among_them(tmp_path: Path) -> None:
    """Which is at the first token, where the model speaks or calls, and in calls; not in a text."""
    bench = replies(tmp_path, wanting("It is warm."))
    bench.submit(tools=(ON,))
    bench.finish()
    in_order = sorted(bench.decoder.exact, reverse=True)
    assert (bench.decoder.exact, in_order[0], in_order[-1]) == (in_order, True, False)
    bench = replies(tmp_path, wanting(CALL))
    bench.submit(tools=(ON, OFF))
    bench.finish()
    assert all(bench.decoder.exact)


def test_the_model_is_asked_about_those_tokens_alone_that_a_grammar_allows(tmp_path: Path) -> None:
    """If they are few, as they are among names, and no draft is tried."""
    bench = replies(tmp_path, wanting(CALL))
    events = bench.submit(tools=(ON, OFF), tool_choice="required")
    bench.finish()
    assert calls(events) == [("on", {"name": "fan"})]
    words = merged_tokenizer()
    asked = [[words.id_to_token(token) for token in each] for each in bench.decoder.allowed if each]
    assert asked == [["o", "on"], ["f", "l"]]


@pytest.mark.parametrize("forgotten", ['{"name": "on"', '[{"name"', "<tool_call>"])
def test_a_model_that_forgets_what_is_around_a_call_still_makes_one(tmp_path: Path, forgotten: str) -> None:
    bench = replies(tmp_path, wanting(forgotten))
    events = bench.submit(tools=(ON,))
    bench.finish()
    assert [name for name, _ in calls(events)] == ["on"]


def test_a_text_may_end_in_calls(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting(f"Yes. {CALL}"))
    events = bench.submit(tools=(ON,))
    bench.finish()
    assert events.completion.text == "Yes. "
    assert calls(events) == [("on", {"name": "fan"})]
    assert events.completion.finish_reason == "tool_calls"


def test_several_calls_come_in_one_reply_and_one_that_is_made_again_ends_it(tmp_path: Path) -> None:
    second = '<tool_call>\n{"name": "off", "arguments": {}}\n</tool_call>'
    bench = replies(tmp_path, wanting(f"{CALL}\n{second}\n{CALL}\n{second}"))
    events = bench.submit(tools=(ON, OFF))
    bench.finish()
    assert calls(events) == [("on", {"name": "fan"}), ("off", {})]
    assert events.completion.finish_reason == "tool_calls"


def test_a_tool_that_is_named_is_called_once(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting("No."))
    events = bench.submit(tools=(ON, OFF), tool_choice=NamedTool(name="off"))
    bench.finish()
    assert calls(events) == [("off", {})]


def test_no_tool_is_called_where_none_may_be(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting(CALL))
    events = bench.submit(tools=(ON,), tool_choice="none")
    bench.finish()
    assert events.completion.calls == ()


@pytest.mark.parametrize(("limit", "whole"), [(20, 0), (40, 1)])
def test_a_limit_cuts_calls_between_whole_ones(tmp_path: Path, limit: int, whole: int) -> None:
    second = '<tool_call>\n{"name": "on", "arguments": {"name": "lamp 2"}}\n</tool_call>'
    bench = replies(tmp_path, wanting(f"{CALL}\n{second}"))
    events = bench.submit(tools=(ON,), max_tokens=limit)
    bench.finish()
    completion = events.completion
    assert completion.finish_reason == "length"
    assert completion.usage.completion_tokens == limit
    assert completion.text == ""
    assert len(completion.calls) == whole
    assert completion.token_ids is None


def test_json_by_a_schema_is_the_whole_reply(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting('{"on": false}'))
    events = bench.submit(response_schema=SCHEMA)
    bench.finish()
    assert events.completion.text == '{"on": false}'
    assert events.completion.finish_reason == "stop"


def test_stop_strings_work_in_json(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting('{"on": false}'))
    events = bench.submit(response_schema=SCHEMA, stop=("false",))
    bench.finish()
    assert events.completion.text == '{"on": '


def test_forced_tokens_are_fed_with_the_one_before_and_counted(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting(CALL))
    events = bench.submit(tools=(ON, OFF))
    bench.finish()
    usage = events.completion.usage
    assert usage.forced_tokens > usage.completion_tokens / 2
    chunks = ceil(usage.prompt_tokens / PREFILL_CHUNK)
    assert len(bench.decoder.passes) - chunks == usage.completion_tokens - usage.forced_tokens


def test_what_every_reply_begins_with_is_fed_with_the_prompt(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting(CALL))
    events = bench.submit(tools=(ON, OFF), tool_choice="required")
    bench.finish()
    usage = events.completion.usage
    assert calls(events) == [("on", {"name": "fan"})]
    *_, (_, last_of_prompt) = bench.decoder.passes[: ceil(usage.prompt_tokens / PREFILL_CHUNK)]
    assert last_of_prompt > usage.prompt_tokens % PREFILL_CHUNK
    assert len(bench.decoder.passes) < 2 + usage.completion_tokens - usage.forced_tokens + 1


def test_a_reply_that_can_be_one_thing_only_is_not_computed(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting("x"))
    events = bench.submit(response_schema={"const": {"on": True}})
    bench.finish()
    assert events.completion.text == '{"on": true}'
    assert events.completion.finish_reason == "stop"
    assert len(bench.decoder.passes) == ceil(events.completion.usage.prompt_tokens / PREFILL_CHUNK)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_limit_below_what_every_reply_begins_with_holds(tmp_path: Path, limit: int) -> None:
    bench = replies(tmp_path, wanting(CALL))
    events = bench.submit(tools=(ON, OFF), tool_choice="required", max_tokens=limit)
    bench.finish()
    usage = events.completion.usage
    assert (usage.completion_tokens, usage.forced_tokens) == (limit, limit)
    assert events.completion.finish_reason == "length"


def test_a_reply_that_is_cancelled_before_its_first_token_has_none(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting(CALL))
    events = bench.submit(tools=(ON, OFF), tool_choice="required")
    bench.scheduler._admit()
    bench.scheduler.cancel(bench.scheduler._active[0])
    bench.finish()
    completion = events.completion
    assert (completion.usage.completion_tokens, completion.usage.forced_tokens) == (0, 0)
    assert (completion.text, completion.calls) == ("", ())


def noise(ids: list[int]) -> NDArray[np.float32]:
    """Scores that depend on all that was fed."""
    scores: NDArray[np.float32] = np.random.default_rng(ids).standard_normal(VOCAB, dtype=np.float32)
    return scores


def test_forced_tokens_are_those_that_come_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> tuple[int, ...] | None:
        bench = replies(tmp_path, noise)
        events = bench.submit(tools=(ON, OFF), tool_choice="required", max_tokens=300)
        bench.finish()
        return events.completion.token_ids

    together = run()
    monkeypatch.setattr(Matcher, "force", lambda self: [])
    assert run() == together


def test_a_reply_without_a_grammar_is_the_same_beside_one_with(tmp_path: Path) -> None:
    def free_reply(*, beside: bool) -> tuple[int, ...] | None:
        bench = replies(tmp_path, noise, slots=2)
        if beside:
            bench.submit(tools=(ON, OFF), tool_choice="required", max_tokens=60)
        events = bench.submit(max_tokens=60)
        bench.finish()
        return events.completion.token_ids

    assert free_reply(beside=True) == free_reply(beside=False)


def test_drafts_end_where_the_grammar_does_not_allow_them(tmp_path: Path) -> None:
    schema = {"type": "array", "items": {"enum": ["lamp", "fan"]}, "minItems": 12, "maxItems": 12}
    wish = str(["lamp", "fan"] * 6).replace("'", '"')
    bench = replies(tmp_path, wanting(wish))
    events = bench.submit(response_schema=schema)
    bench.finish()
    assert events.completion.text == wish


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"response_schema": {"type": "foo"}}, "response_format.schema: "),
        ({"response_schema": {"$ref": "http://example.com/x"}}, "response_format.schema: "),
        (
            {"response_schema": {"properties": {"a": {"$ref": "#"}}, "required": ["a"]}},
            "response_format.schema: no JSON keeps to it",
        ),
        ({"tools": (OFF, tool("x", {"not": {}}))}, "tools.1.function.parameters: "),
    ],
)
def test_a_schema_that_cannot_be_kept_to_is_refused_with_its_place(
    tmp_path: Path, fields: dict[str, Any], place: str
) -> None:
    bench = replies(tmp_path, wanting("x"))
    events = bench.submit(**fields)
    bench.finish()
    assert isinstance(events.end, Failure)
    assert events.end.code == "bad_request"
    assert events.end.message.startswith(place)
    assert "\n" not in events.end.message


def test_a_grammar_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = replies(tmp_path, wanting('{"on": false}'))
    compiling = Mock(wraps=bench.grammars._compile)
    monkeypatch.setattr(bench.grammars, "_compile", compiling)
    for _ in range(3):
        events = bench.submit(response_schema=SCHEMA)
        bench.finish()
        assert events.completion.text == '{"on": false}'
    assert compiling.call_count == 1


def test_a_request_without_a_grammar_builds_nothing(tmp_path: Path) -> None:
    bench = replies(tmp_path, wanting("hi"))
    bench.submit()
    bench.finish()
    assert bench.grammars._vocabulary is None
