"""A damaged file is renamed with what belongs to it, and never over another one."""

import subprocess
import sys
from pathlib import Path

from edge_llm.state.aside import is_in_use, move_aside


def test_what_belongs_to_a_file_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for end in ("", "-wal", "-shm", "-other"):
        path.with_name(path.name + end).write_text(end)
    kept = move_aside(path, "-wal", "-shm")
    assert kept.name.startswith("state.db.corrupt-")
    names = {
        kept.name: "",
        f"{kept.name}-wal": "-wal",
        f"{kept.name}-shm": "-shm",
        "state.db-other": "-other",
    }
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == names


def test_two_within_a_second_have_two_names(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    kept = set()
    for number in range(3):
        path.write_text(str(number))
        kept.add(move_aside(path))
    assert {each.read_text() for each in kept} == {"0", "1", "2"}


def test_a_file_that_another_process_has_open_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    code = (
        "import sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1])\n"
        "db.executescript('PRAGMA journal_mode=WAL; CREATE TABLE t (t)')\n"
        "print(flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        assert is_in_use(path)
        other.communicate()
    assert not is_in_use(path)
    assert not is_in_use(tmp_path / "missing")
