"""`edge-llm voice`: what keeps it from starting is one line."""

import socket
import sys
from pathlib import Path

import pytest

from edge_llm.cli.main import main


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_llm.config.load.DEFAULT_PATH", Path("/nonexistent/edge_llm.yaml"))
    monkeypatch.setattr("edge_llm.event_log.configure_logging", lambda: None)


def line(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return text


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["voice", "--port", str(port)]) == 1
    assert f"port {port}: another program has it; set voice.host, voice.port" in line(capsys)


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid"])
def test_an_address_of_another_machine(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voice", "--host", host]) == 1
    assert f"cannot listen on {host}" in line(capsys)


def test_no_such_port(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voice", "--port", "99999"]) == 1
    assert "99999" in line(capsys)


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for module in [name for name in sys.modules if name.startswith(("edge_llm.voice", "wyoming"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("edge_llm.voice.server", raising=False)  # where it was imported before
    monkeypatch.setitem(sys.modules, "wyoming", None)
    assert main(["voice"]) == 1
    assert "pip install 'edge-llm[voice]'" in line(capsys)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["voice", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for word in (
        "Wyoming",
        "tcp://127.0.0.1:10500",
        "no authentication",
        "zeroconf",
        "docs/voice.md",
        "--area",
    ):
        assert word in text
