"""The measurements of calls: rounds, ratios, verdicts and timers, with contenders that answer what is set."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from benchmarks.calls.contender import _whole
from benchmarks.calls.ours import MatcherTimes
from benchmarks.calls.speed import Ours, Speed, measure, play
from benchmarks.calls.speed_requests import NAMES, Requests
from benchmarks.calls.validity import VERDICTS, Validity, ask_all, judge, read_requests
from edge_llm.convert.progress import Progress
from edge_llm.engine.constraint.constraint import Constraint
from edge_llm.engine.constraint.matcher import Matcher
from edge_llm.errors import EdgeLlmError, SourceError
from tests.small_tokenizers import byte_level, chat_tokenizer
from tests.unit.engine.constraint.replies import TEMPLATE, merged_tokenizer
from tests.unit.test_benchmarks import SETTING

QUIET = Progress(quiet=True)
CALL = {"name": "on", "arguments": {"device": "lamp"}}
SCHEMA = {"type": "object", "properties": {"device": {"enum": ["lamp"]}}, "required": ["device"]}
TOOLS = [{"type": "function", "function": {"name": "on", "parameters": SCHEMA}}]


def reply(calls: Sequence[Mapping[str, Any]] = (), **its: Any) -> dict[str, Any]:
    known = {"call_ms": 100.0, "total_ms": 120.0, "tokens_per_second": 40.0, "tokens": 20, "forced": 15}
    steps = [(0.25, "on"), (2.0, "lamp"), (0.75, "\n")]
    ended = {"finish_reason": "tool_calls" if calls else "stop", "spoke": not calls}
    model = {"first": '{"', "prefers_call": bool(calls)}
    return {**known, **ended, **model, "steps": steps, "calls": list(calls), **its}


class Fake:
    """Answers each request with the next of its answers, and then with the last one for ever."""

    version = "fake 1"

    def __init__(self, name: str, *answers: dict[str, Any], log: list[str] | None = None) -> None:
        self.name = name
        self._answers = list(answers)
        self._log = [] if log is None else log

    def exchange(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        self._log.append(self.name)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def test_contenders_alternate_and_what_counts_is_asked_a_second_time() -> None:
    log: list[str] = []
    cold, warm = reply([CALL], call_ms=900.0), reply([CALL])
    fakes = [Fake("ours", cold, warm, log=log), Fake("theirs", cold, warm, log=log)]
    answers = play(fakes, 2, lambda _number: {}, QUIET, "calls", asks=2)
    assert log == ["ours", "ours", "theirs", "theirs", "theirs", "theirs", "ours", "ours"]
    assert [answer["call_ms"] for answer in answers["ours"]] == [100.0, 100.0]


def test_a_contender_that_fails_is_named() -> None:
    with pytest.raises(SourceError, match="theirs: no whole call"):
        play([Fake("theirs", {"failed": "no whole call"})], 1, lambda _number: {}, QUIET, "calls")


@pytest.fixture
def compared() -> Speed:
    """Ours is four times as fast; its process with a grammar decodes at 102 %, and later at 99.96 %."""
    free = [reply(tokens_per_second=rate) for rate in (40.8, 40.8)]
    call = [reply([CALL]) for _ in range(2)]
    note = reply(tokens=3, forced=0)
    ours = Fake("ours", *free, *call, note, reply(tokens_per_second=39.984))
    theirs = Fake("theirs", {"call_ms": 400.0, "tokens": 22, "calls": [CALL]})
    contenders = [Ours(ours, Fake("plain", reply()))], [theirs], {"other": "not installed"}
    return measure(SETTING | {"rounds": 1}, contenders, Mock(spec=Requests), QUIET)


def test_speed_is_compared_within_rounds_and_free_decoding_with_what_it_was_before(compared: Speed) -> None:
    its = compared.to_json()
    ours, theirs = its["calls"]
    assert (ours["ms"]["median"], ours["forced_percent"], ours["calls"]) == (100.0, 75.0, 1)
    assert theirs["ours_to_this"]["ours"]["values"] == [0.25]
    assert theirs["same_call_percent"] == {"ours": 100.0}
    assert its["missing"] == {"other": "not installed"}
    (free,) = its["free_decoding"]
    assert (free["ratio_before"]["median"], free["ratio_after"]["median"]) == (1.02, 1.0)
    assert free["change_percent"] == pytest.approx(-1.96)
    (grammar,) = its["mask_and_matcher"]
    assert grammar["json"] == {
        "chosen_tokens": 3,
        "mean_ms": 1.0,
        "mean_ms_with_forced_tokens": 1.0,
        "worst_ms": 2.0,
        "worst_token": "lamp",
    }
    assert grammar["calls"]["mean_ms_with_forced_tokens"] == 0.15


def test_the_table_has_all_of_it(compared: Speed) -> None:
    text = "\n".join(compared.lines())
    for line in (
        "100.0 [100.0 - 100.0], 20 tokens in 1 calls, 120.0 [120.0 - 120.0] ms for all of them, 75 % of",
        "x 0.25 [0.25 - 0.25]  ours, 100 % the same call",
        "other: missing (not installed)",
        "ours: 1.020 [1.020 - 1.020] before it has one, 1.000 [1.000 - 1.000] after: -1.96 %",
        "ours, json: mean 1.000 (1.000 with the forced ones), worst 2.00 at 'lamp', 3 tokens",
    ):
        assert line in text


def test_both_sides_get_the_same_prompt_and_theirs_the_opening_of_a_call(tmp_path: Path) -> None:
    """So both write the JSON of the call and nothing before it is left to choose."""
    tokenizer = chat_tokenizer(tmp_path, merged_tokenizer(), TEMPLATE)
    first, second = (Requests(tokenizer).call(number) for number in range(2))
    assert first["messages"] != second["messages"]
    assert first["ids"][-2:] == [tokenizer.markup["<tool_call>"], *tokenizer.encode_text("\n")]
    arguments = first["tools"][0]["function"]["parameters"]
    assert first["call_schema"]["properties"] == {"name": {"const": "set_device"}, "arguments": arguments}
    assert len(set(NAMES)) == 60


def test_an_opening_that_a_tokenizer_has_no_token_for_is_text(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer(tmp_path, byte_level("<|end|>"), TEMPLATE)
    opening = tokenizer.encode_text("<tool_call>\n")
    assert Requests(tokenizer).call(0)["ids"][-len(opening) :] == opening


@pytest.mark.parametrize(
    ("choice", "answer", "verdict"),
    [
        ("auto", reply([CALL]), "called"),
        ("required", reply([CALL, CALL], finish_reason="length"), "called"),
        ("auto", reply(), "spoken"),
        ("auto", reply(finish_reason="length"), "spoken"),
        ("auto", reply(finish_reason="length", spoke=False), "cut short"),
        ("required", reply(finish_reason="length", spoke=False), "cut short"),
        ("required", reply(), "no call"),
        ("required", reply([CALL, {"name": "off", "arguments": {}}]), "not offered"),
        ("required", reply([CALL, {"name": "on", "arguments": {"device": "fan"}}]), "invalid"),
        ("required", {"failed": "it did not end in time"}, "no end"),
    ],
)
def test_a_reply_is_judged_by_all_its_calls(choice: str, answer: dict[str, Any], verdict: str) -> None:
    assert judge({"tools": TOOLS, "tool_choice": choice}, answer) == verdict
    assert verdict in VERDICTS


def files(directory: Path) -> tuple[Path, Path]:
    tools, sentences = directory / "tools.json", directory / "sentences.jsonl"
    tools.write_text(json.dumps({"prompt": "A house.", "tools": TOOLS}), encoding="utf-8")
    sentences.write_text('{"text": "Lamp on."}\n{"text": "Licht an."}\n', encoding="utf-8")
    return tools, sentences


def test_every_second_request_must_be_answered_with_a_call(tmp_path: Path) -> None:
    tools, sentences = files(tmp_path)
    requests = read_requests(tools, [sentences], 4, 1.0)
    assert [request["tool_choice"] for request in requests] == ["auto", "required"] * 2
    assert requests[0]["messages"][0] == ("system", "A house.")
    said = [request["messages"][1][1] for request in requests]
    assert said[:2] == said[2:]
    assert set(said) == {"Lamp on.", "Licht an."}


@pytest.mark.parametrize("text", ["[]", "{}", "no JSON"])
def test_files_of_another_form_are_one_line_of_error(tmp_path: Path, text: str) -> None:
    tools, sentences = files(tmp_path)
    tools.write_text(text, encoding="utf-8")
    with pytest.raises(EdgeLlmError, match="--tools is an object with tools"):
        read_requests(tools, [sentences], 4, 1.0)


def test_after_a_reply_without_an_end_a_new_process_answers_the_rest(tmp_path: Path) -> None:
    started: list[Fake] = []
    late = {"failed": "it did not end in time"}

    @contextmanager
    def start() -> Iterator[Fake]:
        started.append(Fake("ours", reply([CALL]), late if not started else reply()))
        yield started[-1]

    tools, sentences = files(tmp_path)
    requests = read_requests(tools, [sentences], 5, 1.0)
    answers = ask_all(start, requests, QUIET.stage("ours", 5, "requests"))
    assert len(started) == 2
    its = Validity("ours", requests, answers).to_json()
    assert (its["asked"], its["valid_percent"], its["failures"]) == (5, 100.0, {late["failed"]: 1})
    assert (its["auto"]["called"], its["auto"]["spoken"], its["required"]["no end"]) == (2, 1, 1)
    assert its["auto"]["prefers_call_percent"] == 66.7
    assert its["total_ms"] == {"p50": 120.0, "p95": 120.0}
    lines = Validity("ours", requests, answers).lines()
    assert "  failed 1 times: it did not end in time" in lines


class Everything:
    """A grammar that allows every token and forces none."""

    def unsafe_compute_mask_ptr(self, *_: int) -> None: ...

    def consume_token(self, _token: int) -> None: ...

    def compute_ff_tokens(self) -> list[int]:
        return []

    def is_error(self) -> bool:
        return False

    is_stopped = is_error


def test_mask_and_matcher_are_timed_for_each_chosen_token_and_then_left_alone() -> None:
    before = Matcher.mask, Matcher.accept, Constraint.choose
    times, constraint = MatcherTimes(), Constraint(Matcher(Everything(), 8))  # type: ignore[arg-type] # a fake
    logits = np.eye(8, dtype=np.float32)
    with times.measured():
        for token in (5, 6):
            constraint.accept(constraint.choose(logits[token - 2], Mock(return_value=token)))
    assert [token for _, token in times.steps] == [5, 6]
    assert all(ms > 0 for ms, _ in times.steps)
    assert times.first == 3
    assert (Matcher.mask, Matcher.accept, Constraint.choose) == before


@pytest.mark.parametrize("text", [b"", b'{"name": "on"', b'{"a": {"b": 1}', b'{"a": "}'])
def test_a_call_of_llama_cpp_counts_when_it_is_whole(text: bytes) -> None:
    assert _whole(text) is None
    assert _whole(b'{"a": {"b": 1}} ') == {"a": {"b": 1}}
