"""Opens a sqlite file so that whatever is wrong with it shows at once, and tells what an error means."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CHECKED_BYTES = 4 * 2**20
"""A larger file is not read through when it is opened: damage is found when it is used."""
_COPIED_BYTES = 64 * 2**20
"""A larger file is not read into memory."""
_LEAST_FREE_BYTES = 2**20
_HEADER = b"SQLite format 3\0"
_OURS = 1
"""The user version of our files; sqlite leaves 0 there."""
_EARLIEST = frozenset({"message", "request"})
"""Tables of files from before they said whose they are."""
_LOCK_S = 2.0
"""Seconds to wait for another process to let go of the file."""


class ForeignFileError(OSError):
    """A file that another program made; it is left as it is."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("it is another program's file: name another one, or move it away")


def open_memory() -> sqlite3.Connection:
    """Open an empty database in memory."""
    return sqlite3.connect(":memory:", check_same_thread=False)


def open_file(path: Path) -> sqlite3.Connection:
    """Open or make the file at ``path``, and write to it.

    Raises:
        OSError: its directory cannot be made, or it is another program's file (``ForeignFileError``).
        sqlite3.Error: it is damaged, or cannot be read or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_other_content(path)
    db = sqlite3.connect(path, timeout=_LOCK_S, check_same_thread=False)
    try:
        _refuse_other_database(db)
        db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
        _check(db, path)
        db.execute(f"PRAGMA user_version = {_OURS}")
    except BaseException:
        db.close()
        raise
    return db


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Replace all that ``target`` has by what ``source`` has.

    Raises:
        sqlite3.Error: one of them cannot be read or written.
        TimeoutError: another process does not let go of the file.
    """
    until = monotonic() + _LOCK_S

    def progress(status: int, _remaining: int, _total: int) -> None:
        if status in _LOCKED and monotonic() > until:
            raise TimeoutError("database is locked")

    source.backup(target, progress=progress, sleep=0.05)


def copy_into_memory(path: Path) -> sqlite3.Connection | None:
    """Copy what can be read of the file at ``path``; None if nothing can."""
    memory = open_memory()
    # The second one for a directory or a disk where sqlite cannot make the files beside it.
    for options in ("mode=ro", "mode=ro&immutable=1"):
        try:
            if path.stat().st_size > _COPIED_BYTES:
                break
            with closing(_connect(path, options)) as db:
                copy(db, memory)
            _check(memory, path)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, TimeoutError) or error_code(error) in _LOCKED:
                break  # what another process is writing now must not be read past its lock
            continue
        return memory
    memory.close()
    return None


def find_problem(path: Path) -> str | None:
    """Say why a node could not keep its state in the file at ``path``; None if it can. Changes nothing."""
    if is_missing(path):
        return find_directory_problem(path.parent)
    try:
        _refuse_other_content(path)
        with closing(_connect(path, "mode=rw")) as db:
            _refuse_other_database(db)
            _check(db, path)
            db.execute("BEGIN IMMEDIATE")
            db.rollback()
    except (OSError, sqlite3.Error) as error:
        return f"{path}: {words_of(error)}"
    return _full(path.parent)


def find_directory_problem(path: Path) -> str | None:
    """Say why no file could be written into the directory ``path``, made if missing; None if one can."""
    existing = next(each for each in (path.absolute(), *path.absolute().parents) if not is_missing(each))
    if not existing.is_dir():
        return f"{path}: {existing} is not a directory"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{path}: {existing} cannot be written"
    return _full(existing)


def is_missing(path: Path) -> bool:
    """Whether there is no file at ``path``, for certain."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_damage(error: Exception) -> bool:
    """Whether the file's content is at fault, not the access to it."""
    # Python's own words for a text that is no UTF-8; sqlite does not look at it.
    return error_code(error) in _DAMAGED or "could not decode" in str(error).lower()


def error_code(error: Exception) -> int | None:
    """The primary result code of sqlite; None where the error is not its own."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def words_of(error: Exception) -> str:
    """The error's reason, for people."""
    return getattr(error, "strerror", None) or str(error)


def _connect(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, timeout=_LOCK_S)


def _check(db: sqlite3.Connection, path: Path) -> None:
    """Read a small file through.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    if path.stat().st_size > _CHECKED_BYTES:
        return
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(f"it is damaged: {' '.join(found.split())}")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _refuse_other_content(path: Path) -> None:
    """Raise ``ForeignFileError`` for a file that never was a database; a power cut leaves zeros."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_HEADER))
    except FileNotFoundError:
        return
    if begin.strip(b"\0") and not _HEADER.startswith(begin):
        raise ForeignFileError


def _refuse_other_database(db: sqlite3.Connection) -> None:
    """Raise ``ForeignFileError`` for a database that another program made."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == _OURS:
        return
    tables = db.execute("SELECT name, sql LIKE '%client TEXT%' FROM sqlite_master").fetchall()
    if tables and not (version == 0 and any(name in _EARLIEST and has_client for name, has_client in tables)):
        raise ForeignFileError


def _full(directory: Path) -> str | None:
    try:
        free = shutil.disk_usage(directory).free
    except OSError as error:
        return f"{directory}: {words_of(error)}"
    return f"{directory}: the disk is full" if free < _LEAST_FREE_BYTES else None
