"""What the tests of commands that only start a server share."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the machine, and a log as pytest has it."""
    monkeypatch.setattr("edge_llm.config.load.DEFAULT_PATH", Path("/nonexistent/edge_llm.yaml"))
    monkeypatch.setattr("edge_llm.event_log.configure_logging", lambda: None)


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Reads the one line that was said on standard error."""

    def read() -> str:
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    return read
