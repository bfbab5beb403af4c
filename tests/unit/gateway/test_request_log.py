"""The request log remembers over a restart, within its bounds, and goes on where its file fails."""

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge_llm.gateway import request_log as module
from edge_llm.gateway.request_log import RequestLog, RequestRecord
from edge_llm.state import clock
from edge_llm.state.database import StateDatabase


def opened(file: Path) -> RequestLog:
    return RequestLog(StateDatabase(file))


def record(request_id: str, arrived: float = 1.0) -> RequestRecord:
    return RequestRecord(request_id, b"digest", 7, arrived)


def accepted(log: RequestLog) -> RequestRecord:
    """A request that has come just now, while the broker is reached."""
    asked = record("1", arrived=log.now())
    log.keep("c", asked)
    log.accept("c", "1")
    log.alive()
    return asked


def test_what_was_accepted_and_finished_is_known_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state" / "log.db"
    log = opened(file)
    for request_id in ("done", "begun", "kept", "gone"):
        log.keep("c", record(request_id))
    for request_id in ("done", "begun", "gone"):
        log.accept("c", request_id)
    log.finish("c", "done", b"terminal")
    log.forget("c", "gone")
    log.alive()
    again = opened(file)  # not closed, as after kill -9
    done, begun = again.find("c", "done"), again.find("c", "begun")
    assert done
    assert done.terminal == b"terminal"
    assert begun == record("begun")
    assert again.find("c", "kept") is None  # was not written down yet
    assert again.find("c", "gone") is None
    assert again.find("other", "done") is None
    assert 0 <= again.silence_s() < 60


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
    log = opened(tmp_path / "log.db")
    for number in range(5):
        log.keep("c", record(str(number), arrived=float(number)))
        log.accept("c", str(number))
    assert [log.find("c", str(number)) is not None for number in range(5)] == 2 * [False] + 3 * [True]
    again = opened(tmp_path / "log.db")
    assert [again.find("c", str(number)) is not None for number in range(5)] == 2 * [False] + 3 * [True]


def test_a_log_that_runs_for_long_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in its file, nor in memory where the file cannot be used or there is none."""
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    monkeypatch.setattr(module, "_TRIM_EVERY", 10)
    (tmp_path / "plain").write_text("")
    for path, most in ((tmp_path / "log.db", 13), (tmp_path / "plain" / "x", 13), (None, 0)):
        database = StateDatabase(path)
        log = RequestLog(database)
        for number in range(100):
            log.keep("c", record(str(number), arrived=float(number)))
            log.accept("c", str(number))
        (rows,) = database.run(lambda db: db.execute("SELECT count(*) FROM request").fetchone())
        assert rows <= most


def test_a_database_that_fails_is_a_log_line_and_memory_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = StateDatabase(tmp_path / "log.db")
    log = RequestLog(database)
    database.close()
    log.keep("c", record("1"))
    log.accept("c", "1")
    log.finish("c", "1", b"terminal")
    log.alive()
    found = log.find("c", "1")
    assert found
    assert found.terminal == b"terminal"
    assert {line.message.split()[0] for line in caplog.records} == {"request_log.not_saved"}


def test_a_file_that_is_begun_anew_gets_what_is_in_memory(tmp_path: Path) -> None:
    """A reply that was given is known after the restart, though its file was damaged meanwhile."""
    file = tmp_path / "log.db"
    database = StateDatabase(file)
    log = RequestLog(database)
    log.keep("c", record("1"))
    log.finish("c", "1", b"terminal")
    no_utf_8 = "INSERT INTO request VALUES ('d', CAST(x'ff' AS TEXT), x'', 1, 1, x'')"
    database.run(lambda db: db.execute(no_utf_8))
    assert database.run(lambda db: db.execute("SELECT id FROM request WHERE client > 'c'").fetchall()) == []
    database.close()
    found = opened(file).find("c", "1")
    assert found
    assert found.terminal == b"terminal"


def test_a_row_that_is_none_of_ours_is_left_out(tmp_path: Path) -> None:
    database = StateDatabase(tmp_path / "log.db")
    log = RequestLog(database)
    log.keep("c", record("1"))
    log.accept("c", "1")
    rows = [
        ("c", "2", "text", 1, 1.0, None),
        ("c", "3", b"", 1, "late", None),
        (b"c", "4", b"", 1, 1.0, None),
    ]
    database.run(lambda db: db.executemany("INSERT INTO request VALUES (?, ?, ?, ?, ?, ?)", rows))
    again = RequestLog(database)
    assert again.find("c", "1")
    assert [again.find("c", number) for number in "234"] == [None, None, None]


class Machine:
    """The clocks of a machine that a test can restart, set and leave off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boot, self.since_boot, self.wall = "first", 5000.0, 1_800_000_000.0
        self.awaits = False
        monkeypatch.setattr(clock, "boot_id", lambda: self.boot)
        monkeypatch.setattr(clock, "boottime", lambda: self.since_boot)
        monkeypatch.setattr(clock, "time", lambda: self.wall)
        monkeypatch.setattr(clock, "awaits_synchronization", lambda: self.awaits)

    def wait(self, seconds: float) -> None:
        self.since_boot += seconds
        self.wall += seconds

    def restart(self, off_s: float, *, clock_wrong_by_s: float = 0.0) -> None:
        self.boot, self.since_boot = "second", 20.0
        self.wall += off_s + clock_wrong_by_s


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize("step_s", [-7200, 3600, 0])
def test_a_step_of_the_clock_makes_nothing_older_or_younger(
    machine: Machine, tmp_path: Path, step_s: float
) -> None:
    file = tmp_path / "log.db"
    log = opened(file)
    asked = accepted(log)
    machine.wall += step_s
    machine.wait(10)
    assert log.age_s(asked) == pytest.approx(10)
    assert log.silence_s() == pytest.approx(10)
    log.alive()
    assert log.silence_s() == 0
    machine.wait(5)
    again = opened(file)  # another process, the same boot: the wall clock is not asked
    found = again.find("c", "1")
    assert found
    assert again.age_s(found) == pytest.approx(15)
    assert again.silence_s() == pytest.approx(5)


@pytest.mark.parametrize(
    ("off_s", "wrong_by_s", "expected"),
    [
        (600, 0, 600),
        (600, 3600, 4200),  # who can tell?
        (600, -7200, math.inf),  # the broker was reached in the future
        (7210, -7200, math.inf),  # ten seconds ago, and the machine runs for twenty
        (3600, -3600, math.inf),  # no clock of its own: it goes on where it was
    ],
)
def test_after_a_boot_the_clock_is_believed_where_it_can_be_right(
    machine: Machine, tmp_path: Path, off_s: float, wrong_by_s: float, expected: float
) -> None:
    file = tmp_path / "log.db"
    accepted(opened(file))
    machine.restart(off_s, clock_wrong_by_s=wrong_by_s)
    again = opened(file)
    found = again.find("c", "1")
    assert found
    assert again.silence_s() == pytest.approx(expected)
    assert again.age_s(found) == pytest.approx(expected)
    again.alive()
    fresh = record("2", arrived=again.now())
    machine.wall += 7200  # the clock is set right
    machine.wait(3)
    assert again.age_s(fresh) == pytest.approx(3)
    assert again.silence_s() == pytest.approx(3)


def test_a_clock_that_waits_to_be_set_is_not_believed(machine: Machine, tmp_path: Path) -> None:
    log = opened(tmp_path / "log.db")
    log.alive()
    machine.restart(30)
    machine.awaits = True
    assert opened(tmp_path / "log.db").silence_s() == math.inf


def test_what_is_not_known_of_the_time_before_is_old_where_a_file_is_kept(tmp_path: Path) -> None:
    assert opened(tmp_path / "log.db").silence_s() == math.inf
    assert RequestLog().silence_s() == 0


def test_a_file_of_an_earlier_version_is_read_and_its_requests_are_old(tmp_path: Path) -> None:
    file = tmp_path / "log.db"
    with closing(sqlite3.connect(file)) as db:
        db.executescript(module._SCHEMA)
        db.executescript("CREATE TABLE alive (time REAL NOT NULL); INSERT INTO alive VALUES (1e9)")
        db.execute("INSERT INTO request VALUES ('c', '1', x'00', 7, 1e9, NULL)")
        db.commit()
    log = opened(file)
    found = log.find("c", "1")
    assert found
    assert log.age_s(found) == log.silence_s() == math.inf
