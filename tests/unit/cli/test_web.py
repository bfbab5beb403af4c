"""`edge-llm web`: what keeps it from starting is one line."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_llm.cli.main import main

pytestmark = pytest.mark.usefixtures("no_settings")


def test_a_port_that_is_taken(line: Callable[[], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["web", "--port", str(port)]) == 1
    assert f"port {port}: another program has it; set web.host, web.port" in line()


def test_an_address_of_another_machine(line: Callable[[], str], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef")
    config = tmp_path / "edge_llm.yaml"
    config.write_text(f"web: {{host: 192.0.2.1, token_file: {token}}}\n")
    assert main(["web", "--config", str(config)]) == 1
    assert "cannot listen on 192.0.2.1" in line()


def test_no_such_port(line: Callable[[], str]) -> None:
    assert main(["web", "--port", "99999"]) == 1
    assert "99999" in line()


def test_elsewhere_without_a_token(line: Callable[[], str]) -> None:
    assert main(["web", "--host", "0.0.0.0"]) == 78  # noqa: S104 - refused
    assert "set web.token_file" in line()


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch, line: Callable[[], str]) -> None:
    monkeypatch.delitem(sys.modules, "edge_llm.web.server", raising=False)
    monkeypatch.delattr("edge_llm.web.server", raising=False)  # where it was imported before
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["web"]) == 1
    assert "pip install 'edge-llm[web]'" in line()


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["web", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for word in ("http://127.0.0.1:8088", "web.token_file", "edge-llm web --demo", "/v1", "/api"):
        assert word in text
