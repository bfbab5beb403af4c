"""Keeps each client's sessions in sqlite, replies as the tokens that were generated.

Knows nothing of MQTT or of models. In the service the publisher's thread calls it.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from time import time

from edge_llm.config import SessionsSettings
from edge_llm.contract.turns import GeneratedTurn, Role, Turn
from edge_llm.errors import ConfigError, EdgeLlmError
from edge_llm.event_log import EventLog

log = EventLog(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    client TEXT NOT NULL, session TEXT NOT NULL, number INTEGER NOT NULL,
    role TEXT NOT NULL, content TEXT NOT NULL, token_ids TEXT, time REAL NOT NULL, request TEXT NOT NULL,
    tokenizer TEXT, PRIMARY KEY (client, session, number)
) WITHOUT ROWID;
"""
_ADD_TOKENIZER = "ALTER TABLE message ADD COLUMN tokenizer TEXT"
"""For files of nodes that kept token ids without saying whose: those are not used, the text is."""
_LATEST = "SELECT client, session, max(time) AS latest FROM message GROUP BY client, session"


class SessionStore:
    """Sessions by client and id, bounded by count and age; in memory where no file is configured.

    All but ``append`` raise EdgeLlmError where the database fails.
    """

    def __init__(self, settings: SessionsSettings, tokenizer: str = "") -> None:
        """Open or create the database.

        Token ids are kept as those of ``tokenizer``, its SHA-256. Where a turn has another one's, or ids of
        nobody knows whom, only its text is read.

        Raises:
            ConfigError: the file cannot be opened.
        """
        self._settings = settings
        self._tokenizer = tokenizer
        self._lock = Lock()
        path = settings.file
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
            columns = self._db.execute("PRAGMA table_info(message)").fetchall()
            if "tokenizer" not in {name for _, name, *_ in columns}:
                self._db.execute(_ADD_TOKENIZER)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"sessions.file {path}: {error}") from error

    def load(self, client: str, session: str, request: str = "") -> tuple[Turn, ...]:
        """Read the turns of a session, oldest first, but those of ``request``; none if it is unknown or old.

        A node that is killed between a reply and its delivery makes the reply again, from the same history.
        """
        since = time() - self._settings.max_age_s
        with self._opened() as db:
            rows = db.execute(
                "SELECT role, content, CASE tokenizer WHEN ? THEN token_ids END, time FROM message"
                " WHERE client = ? AND session = ? AND request != ? ORDER BY number",
                (self._tokenizer, client, session, request),
            ).fetchall()
        if not rows or rows[-1][3] < since:
            return ()
        return tuple(_turn(role, content, ids) for role, content, ids, _ in rows)

    def append(self, client: str, session: str, request: str, *messages: Turn) -> None:
        """Add the turns of ``request``, in place of those that it has already; never raises.

        Sessions over the bounds go, the longest unused first.
        """
        try:
            with self._opened() as db:
                db.execute(
                    "DELETE FROM message WHERE client = ? AND session = ? AND request = ?",
                    (client, session, request),
                )
                self._insert(db, client, session, request, messages)
                self._trim(db)
        except EdgeLlmError as error:  # the reply is made; that it is forgotten must not undo it
            log.error("sessions.not_saved", reason=str(error))  # noqa: TRY400 - a traceback says no more

    def _insert(
        self,
        db: sqlite3.Connection,
        client: str,
        session: str,
        request: str,
        messages: tuple[Turn, ...],
    ) -> None:
        (number,) = db.execute(
            "SELECT coalesce(max(number), 0) FROM message WHERE client = ? AND session = ?", (client, session)
        ).fetchone()
        db.executemany(
            "INSERT INTO message"
            " (client, session, number, role, content, token_ids, time, request, tokenizer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (client, session, number + n, *_content(turn), time(), request, self._tokenizer)
                for n, turn in enumerate(messages, start=1)
            ],
        )

    def _trim(self, db: sqlite3.Connection) -> None:
        too_old = time() - self._settings.max_age_s
        latest = db.execute(f"{_LATEST} ORDER BY latest DESC").fetchall()
        gone = [
            row[:2] for n, row in enumerate(latest) if n >= self._settings.max_sessions or row[2] < too_old
        ]
        db.executemany("DELETE FROM message WHERE client = ? AND session = ?", gone)

    def delete(self, client: str, session: str) -> None:
        """Forget a session; without effect where it is unknown."""
        with self._opened() as db:
            db.execute("DELETE FROM message WHERE client = ? AND session = ?", (client, session))

    def list(self, client: str) -> tuple[str, ...]:
        """List the client's sessions by id, the latest used first."""
        with self._opened() as db:
            rows = db.execute(
                f"SELECT session FROM ({_LATEST}) WHERE client = ? ORDER BY latest DESC",  # noqa: S608 - a constant
                (client,),
            ).fetchall()
        return tuple(session for (session,) in rows)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The database for the caller alone, in a transaction.

        Raises:
            EdgeLlmError: it cannot be read or written.
        """
        try:
            with self._lock, self._db as db:
                yield db
        except sqlite3.Error as error:
            raise EdgeLlmError(f"the session store failed: {error}") from error

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()


def _content(turn: Turn) -> tuple[str, str, str | None]:
    return turn.role, turn.content, json.dumps(turn.token_ids) if isinstance(turn, GeneratedTurn) else None


def _turn(role: Role, content: str, ids: str | None) -> Turn:
    with suppress(ValueError, TypeError):  # what a damaged file has in place of ids
        if ids is not None:
            return GeneratedTurn(role=role, content=content, token_ids=tuple(json.loads(ids)))
    return Turn(role=role, content=content)
