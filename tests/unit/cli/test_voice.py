"""`edge-llm voice`: what keeps it from starting is one line."""

import socket
import sys
from collections.abc import Callable

import pytest

from edge_llm.cli.main import main

pytestmark = pytest.mark.usefixtures("no_settings")


def test_a_port_that_is_taken(line: Callable[[], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["voice", "--port", str(port)]) == 1
    assert f"port {port}: another program has it; set voice.host, voice.port" in line()


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid"])
def test_an_address_of_another_machine(host: str, line: Callable[[], str]) -> None:
    assert main(["voice", "--host", host]) == 1
    assert f"cannot listen on {host}" in line()


def test_no_such_port(line: Callable[[], str]) -> None:
    assert main(["voice", "--port", "99999"]) == 1
    assert "99999" in line()


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch, line: Callable[[], str]) -> None:
    for module in [name for name in sys.modules if name.startswith(("edge_llm.voice", "wyoming"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("edge_llm.voice.server", raising=False)  # where it was imported before
    monkeypatch.setitem(sys.modules, "wyoming", None)
    assert main(["voice"]) == 1
    assert "pip install 'edge-llm[voice]'" in line()


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
