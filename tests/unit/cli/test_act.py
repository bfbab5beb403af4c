"""`edge-llm act`: what it sends, what it prints, the questions that it answers, and its exit codes."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge_llm.cli.commands import act
from edge_llm.cli.main import main
from edge_llm.client import ToolCall
from edge_llm.contract.frames import Act, AnyFrame
from edge_llm.contract.requests import Request, SessionCommand
from tests.unit.client.scripted import Script, call, client_of, delta, done, forgotten

EXAMPLE = Path(__file__).parents[3] / "config/house.example.yaml"
OFF = ToolCall(id="call_1", name="HassTurnOff", arguments={"name": "Küche"}, device_ids=("light.a", "b\nc"))
ON = ToolCall(id="call_2", name="HassTurnOn", arguments={"name": "Garage"}, device_ids=("cover.g",))
OFF_LINE = 'HassTurnOff {"name": "Küche"} ["light.a", "b\\nc"]\n'
ON_LINE = 'HassTurnOn {"name": "Garage"} ["cover.g"]\n'
SPOKEN, IMPOSSIBLE = Act(outcome="spoken"), Act(outcome="impossible")
CONFIRM, UNCLEAR = Act(outcome="confirm", candidates=("Garage",)), Act(outcome="unclear")


class Acting:
    """Runs the command against a script, on a terminal where ``typed`` says what is answered there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.asked: list[Any] = []

    def __call__(
        self, *replies: Sequence[AnyFrame], options: Sequence[str] = (), typed: Sequence[str] | None = None
    ) -> int:
        script = Script(replies)
        client = client_of(script)
        answers = iter(typed or ())
        for name in ("start", "stop"):
            self._monkeypatch.setattr(script, name, lambda: None, raising=False)
        self._monkeypatch.setattr(act, "make_client", lambda _options, name: client)
        self._monkeypatch.setattr(sys.stdin, "isatty", lambda: typed is not None, raising=False)
        self._monkeypatch.setattr(act, "read_prompt", lambda: next(answers))
        self.asked = script.asked
        return main(["act", "Lights!", *options])


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> Acting:
    return Acting(monkeypatch)


@pytest.mark.parametrize(
    ("frames", "printed"),
    [
        ([call(0, 0, OFF), call(1, 1, ON), done("Done.", OFF, ON)], f"{OFF_LINE}{ON_LINE}Done.\n"),
        ([delta(0, "Do"), delta(1, "ne."), call(2, 0, OFF), done("Done.", OFF)], f"Done.\n{OFF_LINE}"),
        ([done("Done.", OFF, ON)], f"Done.\n{OFF_LINE}{ON_LINE}"),
        ([call(0, 0, OFF), done("Done.", ON)], f"{OFF_LINE}Done.\n(made again:)\nDone.\n{ON_LINE}"),
        ([done("It is open.", act=SPOKEN)], "It is open.\n"),
    ],
)
def test_it_prints_what_is_said_and_a_line_for_each_call_as_they_come(
    acting: Acting, frames: list[AnyFrame], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert acting(frames) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (done("", OFF), 0),
        (done("It is open.", act=SPOKEN), 0),
        (done("I cannot.", act=IMPOSSIBLE), 4),
        (done("Which one?", act=UNCLEAR), 4),
        (done("Sure?", act=CONFIRM), 4),
    ],
)
def test_the_exit_code_tells_whether_anything_came_of_it(acting: Acting, reply: AnyFrame, code: int) -> None:
    assert acting([reply]) == code


def test_it_sends_a_sentence_to_the_house(acting: Acting) -> None:
    assert acting([done("", OFF)]) == 0
    (request,) = acting.asked
    assert isinstance(request, Request)
    assert (request.text, request.act, request.session) == ("Lights!", "auto", None)
    assert (request.context_area, request.house) == (None, None)


def test_area_house_session_and_required_go_with_it(acting: Acting) -> None:
    options = ("--area", "kitchen", "--house", str(EXAMPLE), "--session", "s", "--required")
    assert acting([done("", OFF)], options=options) == 0
    (request,) = acting.asked
    assert (request.act, request.context_area, request.session) == ("required", "kitchen", "s")
    garage = next(device for device in request.house.devices if device.id == "cover.garage")
    assert garage.device_class == "garage"


def test_json_is_the_done_frame_and_asks_nothing(acting: Acting, capsys: pytest.CaptureFixture[str]) -> None:
    assert acting([done("Sure?", act=CONFIRM)], options=["--json"], typed=["yes"]) == 4
    shown = json.loads(capsys.readouterr().out)
    assert (shown["type"], shown["text"], shown["act"]["outcome"]) == ("done", "Sure?", "confirm")
    (request,) = acting.asked
    assert request.session is None


def test_on_a_terminal_questions_are_answered_in_one_session_which_is_then_forgotten(
    acting: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = (
        [done("Which?", act=UNCLEAR)],
        [done("Sure?", act=CONFIRM)],
        [done("Opened.", ON)],
        [forgotten()],
    )
    options = ["--area", "hall", "--house", str(EXAMPLE)]
    assert acting(*replies, options=options, typed=["the garage", "yes"]) == 0
    *requests, command = acting.asked
    assert [request.text for request in requests] == ["Lights!", "the garage", "yes"]
    assert {request.context_area for request in requests} == {"hall"}
    assert all(request.house for request in requests)
    assert isinstance(command, SessionCommand)
    assert {asked.session for asked in acting.asked} == {command.session}
    assert (command.op, bool(command.session)) == ("delete", True)
    assert capsys.readouterr().out == f"Which?\nSure?\nOpened.\n{ON_LINE}"


def test_a_question_may_be_left_and_a_session_of_ones_own_is_kept(acting: Acting) -> None:
    assert acting([done("Sure?", act=CONFIRM)], options=["--session", "s"], typed=[""]) == 4
    assert [asked.session for asked in acting.asked] == ["s"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read"),
        ("devices: [", "is not valid YAML"),
        ("devices: [{id: a, kind: light}]", "devices.0.name: Field required"),
    ],
)
def test_a_house_that_cannot_be_used_is_an_error_in_one_line(
    acting: Acting, tmp_path: Path, content: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "house.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert acting(options=["--house", str(path)]) == 78
    error = capsys.readouterr().err
    assert error.startswith("edge-llm: --house: ")
    assert words in error
    assert error.count("\n") == 1
    assert acting.asked == []


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["act", "--help"])
    shown = capsys.readouterr().out
    assert 'edge-llm act "turn everything off downstairs except the fridge light"' in shown
    assert max(map(len, shown.splitlines())) <= 110
