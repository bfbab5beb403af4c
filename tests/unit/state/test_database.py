"""The node's state file: whatever is wrong with it, the node has a database, and says where it is."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edge_llm.state import database as module
from edge_llm.state.database import StateDatabase
from edge_llm.state.file import find_directory_problem, find_problem, open_file


def create(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS word (word TEXT)")


def opened(path: Path | None) -> StateDatabase:
    database = StateDatabase(path)
    database.define(create)
    return database


def put(database: StateDatabase, *words: str) -> None:
    database.run(lambda db: db.executemany("INSERT INTO word VALUES (?)", [(word,) for word in words]))


def words(database: StateDatabase) -> list[str]:
    return [word for (word,) in database.run(lambda db: db.execute("SELECT word FROM word").fetchall())]


def filled(path: Path, *, closed: bool = True) -> StateDatabase:
    database = opened(path)
    put(database, *(f"word{number}" for number in range(2000)))
    if closed:
        database.close()
    return database


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message.split()[0] for record in caplog.records]


def tear(path: Path, way: str) -> None:
    """Damage a file as a power cut does."""
    raw = path.read_bytes()
    match way:
        case "not a database":
            path.write_bytes(b"\0" * 512 + raw[512:])
        case "cut":
            path.write_bytes(raw[: len(raw) // 2])
        case "a page of zeros":
            path.write_bytes(raw[:8192] + b"\0" * 4096 + raw[12288:])
        case "text":
            path.write_text("hello, I am no database" * 100)


WAYS = ["not a database", "cut", "a page of zeros"]


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_file_is_moved_aside_once_and_an_empty_one_begun(
    way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.db"
    filled(path)
    tear(path, way)
    damaged = path.read_bytes()
    assert "state.db" in (find_problem(path) or "")
    database = opened(path)
    assert words(database) == []
    put(database, "new")
    database.close()
    assert database.problem is None
    (kept,) = tmp_path.glob("state.db.corrupt-*Z")
    assert kept.read_bytes() == damaged
    assert events(caplog) == ["state.damaged"]
    again = opened(path)
    assert words(again) == ["new"]
    again.close()
    assert events(caplog) == ["state.damaged"]


@pytest.mark.parametrize("way", [*WAYS, "text"])
def test_a_file_that_is_damaged_while_the_node_runs_loses_no_write(way: str, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    database = opened(path)
    database.run(lambda db: db.execute("SELECT 1"))
    tear(path, way)
    put(database, *(f"new{number}" for number in range(3000)))
    assert "new2999" in words(database)
    database.close()
    opened(path).close()  # what sqlite had in its own memory may hide the damage until then


def test_a_file_with_a_text_that_is_no_utf_8_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    database = opened(path)
    database.run(lambda db: db.execute("INSERT INTO word VALUES (CAST(x'ff' AS TEXT))"))
    assert words(database) == []
    assert list(tmp_path.glob("state.db.corrupt-*"))
    database.close()


def test_a_file_that_another_process_has_locked_is_not_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_llm.state.file._LOCK_S", 0.05)
    path = tmp_path / "state.db"
    filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        database = opened(path)
        assert "locked" in (database.problem or "")
        put(database, "new")
        assert words(database) == ["new"]
        other.execute("ROLLBACK")
    # What it holds was never read: it is not written over.
    monkeypatch.setattr(database, "_next_try", 0.0)
    assert words(database) == ["new"]
    database.close()
    assert events(caplog) == ["state.in_memory"]
    assert list(tmp_path.glob("*corrupt*")) == []
    again = opened(path)
    assert len(words(again)) == 2000
    again.close()


def test_what_looks_damaged_and_is_open_elsewhere_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_in_use", lambda _path: True)
    path = tmp_path / "state.db"
    path.write_bytes(b"\0" * 512)
    database = opened(path)
    put(database, "new")
    assert "another process has it open" in (database.problem or "")
    assert path.read_bytes() == b"\0" * 512
    assert events(caplog) == ["state.in_memory"]


@pytest.mark.parametrize("where", ["a directory", "below a file", "/proc/no/state.db"])
def test_where_no_file_can_be_made_memory_is_used(
    where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "plain").write_text("")
    path = {"a directory": tmp_path, "below a file": tmp_path / "plain" / "x"}.get(where, Path(where))
    database = opened(path)
    put(database, "new")
    assert words(database) == ["new"]
    assert str(path) in (database.problem or "")
    assert events(caplog) == ["state.in_memory"]
    assert find_problem(path)


def test_a_read_only_file_is_known_and_written_again_when_that_is_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "state.db"
    filled(path)
    really = open_file

    def read_only(_path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        db.execute("CREATE TABLE x (x)")
        return db

    monkeypatch.setattr(module, "open_file", read_only)
    database = opened(path)
    assert "readonly" in (database.problem or "")
    assert len(words(database)) == 2000
    put(database, "new")
    monkeypatch.setattr(module, "open_file", really)
    assert database.problem
    monkeypatch.setattr(database, "_next_try", 0.0)
    put(database, "newer")
    assert database.problem is None
    database.close()
    again = opened(path)
    assert words(again)[2000:] == ["new", "newer"]
    again.close()
    assert events(caplog) == ["state.in_memory", "state.in_file_again"]


def test_a_disk_that_is_full_while_the_node_runs_loses_no_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.db"
    database = opened(path)
    put(database, "old")
    database.run(lambda db: db.execute("PRAGMA max_page_count = 1").fetchall())
    put(database, *(f"new{number}" for number in range(3000)))
    assert "full" in (database.problem or "")
    assert words(database)[:2] == ["old", "new0"]
    assert len(words(database)) == 3001
    assert events(caplog) == ["state.in_memory"]


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE VIEW word AS SELECT 1")
    database = StateDatabase(path)

    def create_with_index(db: sqlite3.Connection) -> None:
        create(db)
        db.execute("CREATE INDEX IF NOT EXISTS by_word ON word (word)")  # impossible on a view

    database.define(create_with_index)
    put(database, "new")
    assert words(database) == ["new"]
    assert database.problem


def make_text(path: Path) -> None:
    path.write_text("hello, I am no database" * 100)


def make_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE states (state TEXT); INSERT INTO states VALUES ('on');")


@pytest.mark.parametrize("make", [make_text, make_database])
def test_another_programs_file_is_refused_and_left_as_it_is(
    make: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.db"
    make(path)
    before = path.read_bytes()
    assert "another program's" in (find_problem(path) or "")
    database = opened(path)
    put(database, "new")
    assert words(database) == ["new"]
    assert "another program's" in (database.problem or "")
    database.close()
    assert (path.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (before, ["state.db"])
    assert events(caplog) == ["state.in_memory"]


def test_any_thread_may_use_it(tmp_path: Path) -> None:
    database = opened(tmp_path / "state.db")
    thread = threading.Thread(target=put, args=(database, "new"))
    thread.start()
    thread.join()
    assert words(database) == ["new"]
    database.close()


def test_a_file_that_is_well_is_no_finding_and_looking_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.db"
    assert find_problem(path) is None
    assert not path.parent.exists()
    filled(path)
    before = path.read_bytes()
    assert find_problem(path) is None
    assert path.read_bytes() == before
    assert find_directory_problem(path) == f"{path}: {path} is not a directory"


def test_a_full_disk_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_llm.state.file._LEAST_FREE_BYTES", 2**80)
    assert "the disk is full" in (find_problem(tmp_path / "state.db") or "")
