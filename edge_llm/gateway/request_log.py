"""Remembers what became of each request, by client and id: in memory, and in sqlite over a restart.

Knows payloads as bytes only. The network thread looks up in memory; the publisher thread writes.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from threading import Lock
from typing import Any

from edge_llm.event_log import EventLog
from edge_llm.state.database import StateDatabase

log = EventLog(__name__)

MAX_ENTRIES = 1000
"""Number of requests remembered; the oldest are forgotten first."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (
    client TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL, packet_id INTEGER NOT NULL,
    arrived REAL NOT NULL, terminal BLOB, PRIMARY KEY (client, id)
) WITHOUT ROWID;
"""
_WRITE = "INSERT OR REPLACE INTO request VALUES (?, ?, ?, ?, ?, ?)"
_TRIM_EVERY = 200
"""Rows that are written until those that are no longer remembered are deleted."""
ALIVE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request: its body's digest, its first arrival (``RequestLog.now``), its terminal frame if any."""

    id: str
    digest: bytes
    packet_id: int
    arrived: float
    terminal: bytes | None = None


class RequestLog:
    """The latest MAX_ENTRIES requests; where the file fails, what is in memory goes on."""

    def __init__(self, database: StateDatabase | None = None) -> None:
        """Read what an earlier process wrote into ``database``; None keeps everything in memory."""
        self._lock = Lock()
        self._entries: OrderedDict[tuple[str, str], RequestRecord] = OrderedDict()
        self._database = database = database or StateDatabase()
        self._clock = database.clock
        self._last_alive = database.last_mark()
        self._written = -inf
        self._rows_since_trim = 0
        database.define(self._create)
        for client, *fields in database.run(_read_all):
            if _fits(client, fields):
                self.keep(client, RequestRecord(*fields))
        self._trim()

    def _create(self, db: sqlite3.Connection) -> None:
        """Make the table, and write what is in memory: in a file that is begun anew it is missing."""
        db.executescript(_SCHEMA)
        with self._lock:
            rows = [_row(client, entry) for (client, _), entry in self._entries.items()]
        db.executemany(_WRITE, rows)

    def now(self) -> float:
        """The time by which ``RequestRecord.arrived`` is counted: the node's own clock."""
        return self._clock.now()

    def age_s(self, record: RequestRecord) -> float:
        """Seconds since the request arrived; infinite where that cannot be known."""
        return self._clock.age_s(record.arrived)

    def silence_s(self) -> float:
        """Seconds since the broker was last reached, by this process or an earlier one; infinite if unknown.

        Without a file nothing is known of an earlier process, and 0 is returned before the first connection.
        """
        if self._last_alive is None:
            return inf if self._database.path else 0.0
        return self._clock.age_s(self._last_alive)

    def find(self, client: str, request_id: str) -> RequestRecord | None:
        """Find the request of ``client`` with this id."""
        with self._lock:
            return self._entries.get((client, request_id))

    def find_again(self, client: str, digest: bytes, packet_id: int) -> RequestRecord | None:
        """Find the request without an id of its own that the broker hands out for the second time."""
        with self._lock:
            for (its_client, _), entry in reversed(self._entries.items()):
                if (its_client, entry.digest, entry.packet_id) == (client, digest, packet_id):
                    return entry
        return None

    def accept(self, client: str, request_id: str) -> None:
        """Write down a request that was admitted."""
        entry = self.find(client, request_id)
        if entry:
            self._write(client, entry)

    def finish(self, client: str, request_id: str, terminal: bytes) -> None:
        """Remember the terminal frame of an accepted request."""
        entry = self.find(client, request_id)
        if entry:
            entry = replace(entry, terminal=terminal)
            self.keep(client, entry)
            self._write(client, entry)

    def forget(self, client: str, request_id: str) -> None:
        """Let the request come again under the same id: it ended in an error that may pass."""
        self.withdraw(client, request_id)
        self._execute("DELETE FROM request WHERE client = ? AND id = ?", client, request_id)

    def alive(self) -> None:
        """Remember that the broker is reached now; cheap enough to be called often."""
        self._last_alive = now = self._clock.now()
        if self._database.path and now >= self._written + ALIVE_EVERY_S:
            self._written = now
            try:
                self._database.mark_clock()
            except sqlite3.Error as error:
                self._not_saved(error)

    def keep(self, client: str, entry: RequestRecord) -> None:
        """Remember a request in memory."""
        with self._lock:
            self._entries[client, entry.id] = entry
            if len(self._entries) > MAX_ENTRIES:
                self._entries.popitem(last=False)

    def withdraw(self, client: str, request_id: str) -> None:
        """Undo ``keep``, in memory alone: the request was not taken."""
        with self._lock:
            self._entries.pop((client, request_id), None)

    def _write(self, client: str, entry: RequestRecord) -> None:
        self._execute(_WRITE, *_row(client, entry))
        self._rows_since_trim += 1
        if self._rows_since_trim >= _TRIM_EVERY:
            self._trim()

    def _trim(self) -> None:
        """Delete what is forgotten in memory."""
        self._rows_since_trim = 0
        with self._lock:
            oldest = min((entry.arrived for entry in self._entries.values()), default=0.0)
        self._execute("DELETE FROM request WHERE arrived < ?", oldest)

    def _execute(self, statement: str, *values: object) -> None:
        if self._database.path is None:  # the entries themselves are in memory
            return
        try:
            self._database.run(lambda db: db.execute(statement, values))
        except sqlite3.Error as error:
            self._not_saved(error)

    def _not_saved(self, error: sqlite3.Error) -> None:
        """Log that the file failed; the reply goes out all the same, though a restart may make it again."""
        log.error("request_log.not_saved", reason=str(error))


def _row(client: str, entry: RequestRecord) -> tuple[object, ...]:
    return client, entry.id, entry.digest, entry.packet_id, entry.arrived, entry.terminal


def _read_all(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return db.execute("SELECT * FROM request ORDER BY arrived").fetchall()


def _fits(client: object, fields: Sequence[object]) -> bool:
    """Whether a row is one of ours: sqlite keeps any value in any column."""
    wanted = str, bytes, int, float, bytes | None
    return isinstance(client, str) and all(map(isinstance, fields, wanted))
