"""What a broker drops in silence is found out, and what it takes is not doubted for long."""

import pytest

from edge_llm.mqtt.message import Outcome
from edge_llm.mqtt.sending import echo as echo_module
from edge_llm.mqtt.sending.echo import Echo
from edge_llm.mqtt.sending.publication import Publication

LARGE = Publication("t", b"-" * 500)


def test_what_comes_back_was_taken_and_nothing_smaller_is_doubted_again() -> None:
    echo = Echo("own")
    assert echo.doubts(LARGE)
    probe, marker = echo.hold(LARGE)
    assert len(probe) == 500
    assert echo.heard(probe) is None
    assert echo.heard(marker) == (LARGE, Outcome.TAKEN)
    assert not echo.doubts(LARGE)
    assert not echo.holds


def test_what_does_not_come_back_is_tried_once_more() -> None:
    echo = Echo("own")
    _, marker = echo.hold(LARGE)
    assert echo.heard(marker) == (LARGE, None)
    _, marker = echo.hold(LARGE, again=True)
    assert echo.heard(marker) == (LARGE, Outcome.REFUSED)


def test_small_messages_are_never_doubted() -> None:
    assert not Echo("own").doubts(Publication("t", b"-" * 64))


def test_where_nothing_comes_back_nothing_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo_module, "_TIMEOUT_S", 0.0)
    echo = Echo("own")
    echo.hold(LARGE)
    assert echo.overdue() == [LARGE]
    assert not echo.doubts(LARGE)
    assert echo.begin() == []
    assert echo.doubts(LARGE)  # at another connection


@pytest.mark.parametrize("payload", [b"", b"x", b"1", b"9 0", b"\xff 0", b"1 2 3"])
def test_what_others_send_there_is_ignored(payload: bytes) -> None:
    assert Echo("own").heard(payload) is None
