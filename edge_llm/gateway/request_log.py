"""Remembers what became of each request, by client and id: in memory, and in sqlite over a restart.

Knows payloads as bytes only. The network thread looks up in memory; the publisher thread writes.
"""

import sqlite3
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from time import time

from edge_llm.errors import ConfigError
from edge_llm.event_log import EventLog

log = EventLog(__name__)

MAX_ENTRIES = 1000
"""Number of requests remembered; the oldest are forgotten first."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (
    client TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL, packet_id INTEGER NOT NULL,
    arrived REAL NOT NULL, terminal BLOB, PRIMARY KEY (client, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alive (time REAL NOT NULL);
"""
ALIVE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request: its body's digest, its first arrival (time.time()), its terminal frame if it has one."""

    id: str
    digest: bytes
    packet_id: int
    arrived: float
    terminal: bytes | None = None


class RequestLog:
    """The latest MAX_ENTRIES requests; where the file fails, what is in memory goes on."""

    def __init__(self, file: Path | None) -> None:
        """Read what an earlier process wrote into ``file``; None keeps everything in memory.

        Raises:
            ConfigError: the file cannot be opened.
        """
        self._lock = Lock()
        self._entries: OrderedDict[tuple[str, str], RequestRecord] = OrderedDict()
        self._db: sqlite3.Connection | None = None
        self._written = 0.0
        self.last_alive: float | None = None
        """The time.time() at which the broker was last reached, by this process or an earlier one."""
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(file, check_same_thread=False)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
            rows = self._db.execute("SELECT * FROM request ORDER BY arrived").fetchall()
            (self.last_alive,) = self._db.execute("SELECT max(time) FROM alive").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"sessions.file {file}: {error}") from error
        for client, *fields in rows:
            self.keep(client, RequestRecord(*fields))
        oldest = min((entry.arrived for entry in self._entries.values()), default=0.0)
        self._execute("DELETE FROM request WHERE arrived < ?", oldest)

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
        self.last_alive = time()
        if self.last_alive >= self._written + ALIVE_EVERY_S:
            self._written = self.last_alive
            self._execute("DELETE FROM alive")
            self._execute("INSERT INTO alive VALUES (?)", self.last_alive)

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
        e = entry
        row = (client, e.id, e.digest, e.packet_id, e.arrived, e.terminal)
        self._execute("INSERT OR REPLACE INTO request VALUES (?, ?, ?, ?, ?, ?)", *row)

    def _execute(self, statement: str, *values: object) -> None:
        if self._db is None:
            return
        try:
            with self._db:
                self._db.execute(statement, values)
        except sqlite3.Error as error:  # the reply is made: that it may be made twice must not undo it
            log.error("request_log.not_saved", reason=str(error))  # noqa: TRY400 - a traceback says no more

    def close(self) -> None:
        """Close the file."""
        if self._db:
            self._db.close()
