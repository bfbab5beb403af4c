"""The request log remembers over a restart, within its bounds, and goes on where its file fails."""

from pathlib import Path

import pytest

from edge_llm.errors import ConfigError
from edge_llm.gateway import request_log as module
from edge_llm.gateway.request_log import RequestLog, RequestRecord


def record(request_id: str, arrived: float = 1.0) -> RequestRecord:
    return RequestRecord(request_id, b"digest", 7, arrived)


def test_what_was_accepted_and_finished_is_known_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state" / "log.db"
    log = RequestLog(file)
    for request_id in ("done", "begun", "kept", "gone"):
        log.keep("c", record(request_id))
    for request_id in ("done", "begun", "gone"):
        log.accept("c", request_id)
    log.finish("c", "done", b"terminal")
    log.forget("c", "gone")
    log.alive()
    again = RequestLog(file)  # not closed, as after kill -9
    done, begun = again.find("c", "done"), again.find("c", "begun")
    assert done
    assert done.terminal == b"terminal"
    assert begun == record("begun")
    assert again.find("c", "kept") is None  # was not written down yet
    assert again.find("c", "gone") is None
    assert again.find("other", "done") is None
    assert again.last_alive == log.last_alive


def test_a_request_that_was_not_taken_is_forgotten() -> None:
    log = RequestLog(None)
    log.keep("c", record("1"))
    log.withdraw("c", "1")
    log.finish("c", "1", b"terminal")
    assert log.find("c", "1") is None


def test_a_nameless_request_is_found_by_its_body_and_packet() -> None:
    log = RequestLog(None)
    log.keep("c", record("1"))
    assert log.find_again("c", b"digest", 7) == record("1")
    assert log.find_again("c", b"digest", 8) is None
    assert log.find_again("c", b"other", 7) is None
    assert log.find_again("other", b"digest", 7) is None


def test_the_oldest_are_forgotten_first_in_memory_and_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    log = RequestLog(tmp_path / "log.db")
    for number in range(5):
        log.keep("c", record(str(number), arrived=float(number)))
        log.accept("c", str(number))
    assert [log.find("c", str(number)) is not None for number in range(5)] == 2 * [False] + 3 * [True]
    again = RequestLog(tmp_path / "log.db")
    assert [again.find("c", str(number)) is not None for number in range(5)] == 2 * [False] + 3 * [True]


def test_a_file_that_fails_is_a_log_line_and_memory_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = RequestLog(tmp_path / "log.db")
    log.close()
    log.keep("c", record("1"))
    log.accept("c", "1")
    log.finish("c", "1", b"terminal")
    found = log.find("c", "1")
    assert found
    assert found.terminal == b"terminal"
    assert {line.message.split()[0] for line in caplog.records} == {"request_log.not_saved"}


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(ConfigError, match=r"sessions\.file .*plain/x"):
        RequestLog(tmp_path / "plain" / "x")
