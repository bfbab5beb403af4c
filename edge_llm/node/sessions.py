"""Keeps each client's sessions in sqlite, replies as the tokens that were generated.

Knows nothing of MQTT or of models. In the service the publisher's thread calls it.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from edge_llm.config import SessionsSettings
from edge_llm.contract.tools import ToolCall
from edge_llm.contract.turns import GeneratedTurn, Role, Turn
from edge_llm.errors import EdgeLlmError
from edge_llm.event_log import EventLog
from edge_llm.state.database import StateDatabase, Work

log = EventLog(__name__)

Result = TypeVar("Result")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    client TEXT NOT NULL, session TEXT NOT NULL, number INTEGER NOT NULL,
    role TEXT NOT NULL, content TEXT NOT NULL, token_ids TEXT, time REAL NOT NULL, request TEXT NOT NULL,
    tokenizer TEXT, tool_calls TEXT, tool_call_id TEXT, name TEXT,
    PRIMARY KEY (client, session, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cut (
    client TEXT NOT NULL, session TEXT NOT NULL, number INTEGER NOT NULL, dropped INTEGER NOT NULL,
    PRIMARY KEY (client, session)
) WITHOUT ROWID;
"""
_ADDED_COLUMNS = ("tokenizer", "tool_calls", "tool_call_id", "name")
"""Columns of ``message`` that older files lack. Ids without a tokenizer are not used, the text is."""
_CALLS = TypeAdapter(tuple[ToolCall, ...])
KEPT_TURNS = 200
"""Turns of a session that are kept for ``load`` at least; older ones go once prompts no longer hold them."""
_LATEST = "SELECT client, session, max(CAST(time AS REAL)) AS latest FROM message GROUP BY client, session"


@dataclass(frozen=True, slots=True)
class History:
    """The turns that a session's next prompt may hold, and the number of older ones that it does not."""

    turns: tuple[Turn, ...]
    dropped: int


class SessionStore:
    """Sessions by client and id, bounded by count and age; in memory where no file is configured.

    All but ``append`` raise EdgeLlmError where the database fails.
    """

    def __init__(
        self, settings: SessionsSettings, tokenizer: str = "", database: StateDatabase | None = None
    ) -> None:
        """Keep sessions in ``database``, by default one of their own in ``settings.file``.

        Token ids are kept as those of ``tokenizer``, its SHA-256. Where a turn has another one's, or ids of
        nobody knows whom, only its text is read.
        """
        self._settings = settings
        self._tokenizer = tokenizer
        self._database = database or StateDatabase(settings.file)
        self._now = self._database.clock.now
        self._database.define(_create)

    def load(self, client: str, session: str, request: str = "") -> tuple[Turn, ...]:
        """Read the turns of a session, oldest first, but those of ``request``; none if it is unknown or old.

        They are its last KEPT_TURNS at least, and all that its next prompt may hold.
        A node that is killed between a reply and its delivery makes the reply again, from the same history.
        """
        return self._history(client, session, request, all_turns=True).turns

    def history(self, client: str, session: str, request: str) -> History:
        """Read what ``load`` does, without the turns that an earlier prompt no longer held."""
        return self._history(client, session, request, all_turns=False)

    def _history(self, client: str, session: str, request: str, *, all_turns: bool) -> History:
        def read(db: sqlite3.Connection) -> History:
            if self._is_old(db, client, session):
                return History((), 0)
            number, dropped = (0, 0) if all_turns else _cut(db, client, session)
            return History(self._read(db, client, session, request, after=number), dropped)

        try:
            return self._run(read)
        except (ValueError, TypeError):  # its words may quote the conversation
            log.warning("sessions.damaged", client=client, session=session)
            self.delete(client, session)
            return History((), 0)

    def _read(
        self, db: sqlite3.Connection, client: str, session: str, request: str, after: int
    ) -> tuple[Turn, ...]:
        rows = db.execute(
            "SELECT role, content, CASE tokenizer WHEN ? THEN token_ids END, tool_calls, tool_call_id, name"
            " FROM message"
            " WHERE client = ? AND session = ? AND number > ? AND request != ? ORDER BY number",
            (self._tokenizer, client, session, after, request),
        )
        return tuple(_turn(*row) for row in rows)

    def _is_old(self, db: sqlite3.Connection, client: str, session: str) -> bool:
        latest = db.execute(
            "SELECT time FROM message WHERE client = ? AND session = ? ORDER BY number DESC LIMIT 1",
            (client, session),
        ).fetchone()
        return latest is not None and latest[0] < self._now() - self._settings.max_age_s

    def append(self, client: str, session: str, request: str, *messages: Turn, dropped: int = 0) -> None:
        """Add the turns of ``request``, in place of those that it has already; never raises.

        ``dropped`` turns of its ``history``, the oldest, are in no later one: the next prompts begin as this
        one. Sessions over the bounds go, the longest unused first.
        """

        def write(db: sqlite3.Connection) -> None:
            if self._is_old(db, client, session):
                _forget(db, [(client, session)])
            db.execute(
                "DELETE FROM message WHERE client = ? AND session = ? AND request = ?",
                (client, session, request),
            )
            _move_cut(db, client, session, dropped)
            self._insert(db, client, session, request, messages)
            _forget_dropped(db, client, session)
            self._trim(db)

        try:
            self._run(write)
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
            "SELECT CAST(coalesce(max(number), 0) AS INTEGER) FROM message WHERE client = ? AND session = ?",
            (client, session),
        ).fetchone()
        db.executemany(
            "INSERT INTO message"
            " (client, session, number, time, request, tokenizer,"
            " role, content, token_ids, tool_calls, tool_call_id, name)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (client, session, number + n, self._now(), request, self._tokenizer, *_content(turn))
                for n, turn in enumerate(messages, start=1)
            ],
        )

    def _trim(self, db: sqlite3.Connection) -> None:
        too_old = self._now() - self._settings.max_age_s
        latest = db.execute(f"{_LATEST} ORDER BY latest DESC").fetchall()
        gone = [
            row[:2] for n, row in enumerate(latest) if n >= self._settings.max_sessions or row[2] < too_old
        ]
        _forget(db, gone)

    def delete(self, client: str, session: str) -> None:
        """Forget a session; without effect where it is unknown."""
        self._run(lambda db: _forget(db, [(client, session)]))

    def list(self, client: str) -> tuple[str, ...]:
        """List the client's sessions by id, the latest used first."""
        rows = self._run(
            lambda db: db.execute(
                f"SELECT session FROM ({_LATEST}) WHERE client = ? ORDER BY latest DESC",  # noqa: S608 - a constant
                (client,),
            ).fetchall()
        )
        return tuple(session for (session,) in rows)

    def _run(self, work: Work[Result]) -> Result:
        """Do ``work`` in a transaction.

        Raises:
            EdgeLlmError: the database cannot be read or written.
        """
        try:
            return self._database.run(work)
        except sqlite3.Error as error:
            raise EdgeLlmError(f"the session store failed: {error}") from error

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _create(db: sqlite3.Connection) -> None:
    db.executescript(_SCHEMA)
    columns = {name for _, name, *_ in db.execute("PRAGMA table_info(message)").fetchall()}
    for column in _ADDED_COLUMNS:
        if column not in columns:
            db.execute(f"ALTER TABLE message ADD COLUMN {column} TEXT")


def _cut(db: sqlite3.Connection, client: str, session: str) -> tuple[int, int]:
    """Number of the last turn that prompts no longer hold, and how many these are."""
    row: tuple[int, int] | None = db.execute(
        "SELECT number, dropped FROM cut WHERE client = ? AND session = ?", (client, session)
    ).fetchone()
    return row or (0, 0)


def _move_cut(db: sqlite3.Connection, client: str, session: str, dropped: int) -> None:
    """Leave the next ``dropped`` turns out of prompts."""
    number, before = _cut(db, client, session)
    rows = db.execute(
        "SELECT number FROM message WHERE client = ? AND session = ? AND number > ? ORDER BY number LIMIT ?",
        (client, session, number, dropped),
    ).fetchall()
    if rows:
        row = (client, session, rows[-1][0], before + len(rows))
        db.execute("INSERT OR REPLACE INTO cut VALUES (?, ?, ?, ?)", row)


def _forget_dropped(db: sqlite3.Connection, client: str, session: str) -> None:
    """Delete the turns before the last KEPT_TURNS that prompts no longer hold; they stay counted."""
    number, _ = _cut(db, client, session)
    db.execute(
        "DELETE FROM message WHERE client = :client AND session = :session AND number <= min(:cut,"
        " (SELECT max(number) FROM message WHERE client = :client AND session = :session) - :kept)",
        {"client": client, "session": session, "cut": number, "kept": KEPT_TURNS},
    )


def _forget(db: sqlite3.Connection, sessions: Sequence[tuple[str, str]]) -> None:
    for table in ("message", "cut"):
        db.executemany(f"DELETE FROM {table} WHERE client = ? AND session = ?", sessions)  # noqa: S608 - ours


def _content(turn: Turn) -> tuple[str | None, ...]:
    ids = json.dumps(turn.token_ids) if isinstance(turn, GeneratedTurn) else None
    calls = _CALLS.dump_json(turn.tool_calls).decode() if turn.tool_calls else None
    return turn.role, turn.content, ids, calls, turn.tool_call_id, turn.name


def _turn(
    role: Role, content: str, ids: str | None, calls: str | None, call_id: str | None, name: str | None
) -> Turn:
    """Make a turn of its row.

    Raises:
        ValueError, TypeError: the file is damaged, in more than the ids.
    """
    turn = Turn(
        role=role,
        content=content,
        tool_calls=() if calls is None else _CALLS.validate_json(calls),
        tool_call_id=call_id,
        name=name,
    )
    with suppress(ValueError, TypeError):  # what a damaged file has in place of ids
        if ids is not None:
            return GeneratedTurn(**dict(turn), token_ids=tuple(json.loads(ids)))
    return turn
