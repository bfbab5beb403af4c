"""The node's state in one sqlite file: begun anew where that is damaged, in memory where it cannot be used.

Knows of tables only the functions that create them. In the service the publisher's thread uses it, and the
main thread at the start and the end.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import TypeVar

from edge_llm.event_log import EventLog
from edge_llm.state.aside import is_in_use, move_aside
from edge_llm.state.clock import Mark, NodeClock
from edge_llm.state.file import (
    ForeignFileError,
    copy,
    copy_into_memory,
    error_code,
    is_damage,
    is_missing,
    open_file,
    open_memory,
    words_of,
)

log = EventLog(__name__)

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]

_REFUSED = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_TRY_AGAIN_S = 60.0
"""Seconds in memory after which the file is tried again, at the next use."""
_CLOCK = """
CREATE TABLE IF NOT EXISTS clock (
    only INTEGER PRIMARY KEY CHECK (only = 1), boot TEXT, boottime REAL, wall REAL, node REAL
);
DROP TABLE IF EXISTS alive;
"""


class StateDatabase:
    """A sqlite file, or memory: without a path, and where the file cannot be used.

    What the file has is read into memory where that can be done, and written back once the file can be
    written again.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, or make it; never fails."""
        self.path = path
        self.problem: str | None = None
        """Reason why all is kept in memory although there is a path; else None."""
        self._lock = RLock()
        self._creators: list[Work[object]] = []
        self._closed = False
        self._may_return = True
        self._next_try = 0.0
        self._db = self._begin()
        self.define(lambda db: db.executescript(_CLOCK))
        self.clock = NodeClock(self._last_mark())

    def define(self, create: Work[object]) -> None:
        """Have ``create`` make tables, if they are missing: now, and in each file that is begun."""
        with self._lock:
            self._creators.append(create)
            try:
                self.run(create)
            except sqlite3.Error as error:
                if self.problem or not self.path:
                    raise
                self._go_to_memory(error, copied=False)  # a database, but another program's

    def run(self, work: Work[Result]) -> Result:
        """Do ``work`` in a transaction; on memory if the file fails, or on a new one if it is damaged.

        Raises:
            sqlite3.Error: it was closed, or ``work`` is wrong.
        """
        with self._lock:
            self._try_again()
            try:
                return self._transaction(work)
            except sqlite3.Error as error:
                if self.path is None or self.problem or self._closed:
                    raise
                if is_damage(error):
                    self._db.close()
                    self._db = self._begin_anew(error)
                    self._create_tables()
                elif error_code(error) in _REFUSED:
                    self._go_to_memory(error)
                else:
                    raise
            return self._transaction(work)

    def mark_clock(self) -> None:
        """Keep the time of the node's clock, for the process after this one.

        Raises:
            sqlite3.Error: see ``run``.
        """
        mark = (1, *self.clock.mark())
        self.run(lambda db: db.execute("INSERT OR REPLACE INTO clock VALUES (?, ?, ?, ?, ?)", mark))

    def last_mark(self) -> float | None:
        """The time of the node's clock that was kept last; None if there is none."""
        mark = self._last_mark()
        return mark and mark.node

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._db.close()

    def _transaction(self, work: Work[Result]) -> Result:
        with self._db as db:
            return work(db)

    def _last_mark(self) -> Mark | None:
        row = self.run(lambda db: db.execute("SELECT boot, boottime, wall, node FROM clock").fetchone())
        fits = row and isinstance(row[0], str) and all(isinstance(each, float) for each in row[1:])
        return Mark(*row) if fits else None

    def _begin(self) -> sqlite3.Connection:
        if self.path is None:
            return open_memory()
        try:
            return open_file(self.path)
        except (OSError, sqlite3.Error) as error:
            if is_damage(error):
                return self._begin_anew(error)
            return self._in_memory(error, copied=not isinstance(error, ForeignFileError))

    def _begin_anew(self, damage: Exception) -> sqlite3.Connection:
        """Move the damaged file aside and open an empty one; it must not be open."""
        assert self.path
        try:
            if is_in_use(self.path):
                raise OSError("it looks damaged, and another process has it open")  # noqa: TRY301 - one way out
            kept = move_aside(self.path, "-wal", "-shm")
        except OSError as error:
            return self._in_memory(error, copied=False)
        log.warning("state.damaged", file=str(self.path), kept_as=kept.name, reason=str(damage))
        try:
            return open_file(self.path)
        except (OSError, sqlite3.Error) as error:
            return self._in_memory(error)

    def _go_to_memory(self, error: Exception, *, copied: bool = True) -> None:
        before, self._db = self._db, self._in_memory(error, copied=copied)
        before.close()
        self._create_tables()

    def _in_memory(self, error: Exception, *, copied: bool = True) -> sqlite3.Connection:
        """Go on in memory, with what can be read of the file if ``copied``."""
        assert self.path
        found = copy_into_memory(self.path) if copied else None
        # What was not read must not be written over.
        self._may_return = found is not None or is_missing(self.path)
        self._next_try = monotonic() + _TRY_AGAIN_S
        self.problem = f"{self.path}: {words_of(error)}"
        log.error("state.in_memory", file=str(self.path), reason=words_of(error), known=found is not None)
        return found or open_memory()

    def _try_again(self) -> None:
        """Write what is in memory to the file, if that is possible again."""
        if not self.problem or not self._may_return or self._closed or monotonic() < self._next_try:
            return
        assert self.path
        self._next_try = monotonic() + _TRY_AGAIN_S
        try:
            file = open_file(self.path)
        except (OSError, sqlite3.Error):
            return
        try:
            copy(self._db, file)
        except (OSError, sqlite3.Error):
            file.close()
            return
        self._db.close()
        self._db, self.problem = file, None
        log.info("state.in_file_again", file=str(self.path))

    def _create_tables(self) -> None:
        for create in self._creators:
            self._transaction(create)
