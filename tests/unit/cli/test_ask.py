"""`edge-llm ask` with tools and schemas: what it sends, what it prints, and files that cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_llm.cli.commands import ask
from edge_llm.cli.main import main
from edge_llm.client import ToolCall
from edge_llm.contract.requests import Request
from tests.unit.client.scripted import Script, call, client_of, delta, done

TOOL = {"type": "function", "function": {"name": "set_lamp", "parameters": {"type": "object"}}}
ON = ToolCall(id="call_1", name="set_lamp", arguments={"room": "küche", "level": None})


class Asking:
    """Runs the command against a script."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self._monkeypatch = monkeypatch
        self.request: Any = None

    def file(self, content: str) -> str:
        path = self.directory / "file.json"
        path.write_text(content, encoding="utf-8")
        return str(path)

    def __call__(self, frames: list[Any], *options: str) -> int:
        script = Script([frames])
        client = client_of(script)
        for name in ("start", "stop"):
            self._monkeypatch.setattr(script, name, lambda: None, raising=False)
        self._monkeypatch.setattr(ask, "make_client", lambda _options: client)
        code = main(["ask", "Light!", *options])
        (self.request,) = script.asked or (None,)
        return code


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("frames", "printed"),
    [
        ([call(0, 0, ON), done("", ON)], 'set_lamp {"room": "küche", "level": null}\n'),
        ([delta(0, "Yes."), done("Yes.", ON)], 'Yes.\nset_lamp {"room": "küche", "level": null}\n'),
        ([done("Yes.")], "Yes.\n"),
        ([done("")], "\n"),
    ],
)
def test_calls_are_printed_a_line_each_after_the_text(
    asking: Asking, frames: list[Any], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asking(frames, "--tools", asking.file(json.dumps([TOOL]))) == 0
    assert capsys.readouterr().out == printed
    assert isinstance(asking.request, Request)
    assert asking.request.tools
    assert asking.request.tools[0].function.name == "set_lamp"


def test_json_has_the_calls(asking: Asking, capsys: pytest.CaptureFixture[str]) -> None:
    assert asking([done("", ON)], "--tools", asking.file(json.dumps([TOOL])), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["calls"] == [ON.model_dump()]
    assert shown["finish_reason"] == "tool_calls"


def test_a_schema_is_sent_as_the_response_format(asking: Asking) -> None:
    assert asking([done("{}")], "--schema", asking.file('\ufeff{"type": "object"}')) == 0
    assert asking.request.response_format.json_schema == {"type": "object"}


@pytest.mark.parametrize("option", ["--tools", "--schema"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("7", "bad_request: "),
        ("[7]", "bad_request: "),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_in_one_line(
    asking: Asking, option: str, content: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "nowhere.json" if content is None else asking.file(content)
    assert asking([], option, path) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert asking.request is None


def test_tools_and_a_schema_do_not_go_together(asking: Asking, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        asking([], "--tools", "a", "--schema", "b")
    assert refused.value.code == 2
