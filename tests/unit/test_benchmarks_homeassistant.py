"""The measurement in a real Home Assistant: what it needs, what it counts, and what the report says."""

import json
import os
from pathlib import Path

import pytest

from benchmarks.commands.assist import Task
from benchmarks.homeassistant import __main__ as command
from benchmarks.homeassistant import mini, times, tools
from benchmarks.homeassistant.demo import CHAT, QUESTIONS, SETTLED, UNDECIDED, Command
from benchmarks.homeassistant.report import Report
from tests.unit.commands.test_judge import HOME
from tests.unit.test_benchmarks import SETTING

TASK = Task("home1/lights-0", "Put out the lamp", HOME, {}, {"light.lamp": {"state": "off"}})
LAMP = Command("put out the lamp", "light.lamp", "light.turn_on", wanted="off")


def test_without_home_assistant_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command.main([str(tmp_path), str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "scripts/test-hubs" in line


def test_a_part_that_fails_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A machine that is too slow for one of them still gets a table."""

    def fail(*_: object) -> None:
        pytest.fail("did not happen within 600 s")

    monkeypatch.setattr(times, "measure", fail)
    monkeypatch.setattr(tools, "measure", lambda *_: [tools.Result(LAMP, 2.0)])
    monkeypatch.setattr(command, "check_installed", lambda: None)
    monkeypatch.setattr(command, "open_bundle", lambda _: None)
    monkeypatch.setattr(command, "read_setting", lambda *_: SETTING)
    assert command.main([str(tmp_path), str(tmp_path), "--json", "--only", "times", "--only", "tools"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown["parts"]) == ["tools"]
    assert shown["missing"] == {"times": "Failed: did not happen within 600 s"}


def test_a_sentence_without_an_answer_or_with_another_state_is_missed(tmp_path: Path) -> None:
    results = [
        mini.Result(TASK, 0.5, "Done."),
        mini.Result(TASK, 0.7, "Done.", {"light.lamp": ["state"]}),
        mini.Result(TASK, None, ""),
    ]
    its = mini.figures(results)
    assert (its["n"], its["right"], its["unanswered"]) == (3, 1, 1)
    lines = mini.lines(its)
    assert lines[-2:] == [
        "  missed: home1/lights-0  light.lamp: state",
        "  missed: home1/lights-0  no answer",
    ]
    assert not any(TASK.text in line for line in lines)
    mini.write_misses(tmp_path / "misses", results)
    assert (tmp_path / "misses").read_text().count(TASK.text) == 2


def test_times_are_of_what_came() -> None:
    group = "left to the model"
    results = [times.Result(group, 0.4, 0.5), times.Result(group, None, 0.3)]
    its = times.figures(results)
    assert (its[group]["n"], its[group]["measured"]) == (2, 1)
    assert its[group]["first_ms"] == {"p50": 400, "p95": 400}
    assert its["chat"]["first_ms"] is None
    assert len(times.lines(its)) == 2 + len(its)


def test_tools_are_right_if_what_is_wanted_is_done_and_nothing_else() -> None:
    results = [
        tools.Result(LAMP, 1.0, rounds=2, calls=1, is_done=True),
        tools.Result(
            LAMP, 2.0, rounds=3, calls=2, errors=["Invalid", "MatchFailedError"], invalid=1, failure="Away."
        ),
        tools.Result(LAMP, 3.0, rounds=2, calls=1, is_done=True, others=["light.other"]),
    ]
    its = tools.figures(results)
    assert (its["right"], its["done"], its["ended"], its["answered"]) == (1, 2, 3, 2)
    assert (its["calls"], its["valid_percent"]) == (4, 75.0)
    assert its["failures"] == {"Away.": 1}
    assert its["failed_calls"] == {"Invalid": 1, "MatchFailedError": 1}
    report = Report(SETTING, {"tools": its}, {"times": "too slow"})
    assert report.lines()[-1] == "times: missing (too slow)"
    assert report.to_json()["parts"]["tools"] == its


def test_a_command_is_done_by_its_state_or_by_attributes() -> None:
    assert LAMP.is_done({"state": "off", "attributes": {}})
    dimmed = Command("dim", "light.lamp", "light.turn_on", wanted={"brightness": 102})
    assert dimmed.is_done({"state": "on", "attributes": {"brightness": 102}})
    assert not dimmed.is_done({"state": "on", "attributes": {"brightness": 255}})


def test_what_is_said_is_said_once() -> None:
    texts = [each.text for each in (*SETTLED, *UNDECIDED)] + [*QUESTIONS, *CHAT]
    assert len(set(texts)) == len(texts) == 50
