"""Remembers which acts the node has begun, and which of them the broker has: over a restart, in sqlite."""

import sqlite3
from dataclasses import dataclass

from pydantic import ValidationError

from edge_llm.errors import RequestError
from edge_llm.event_log import EventLog
from edge_llm.house.announced.plan import PLAN, Plan
from edge_llm.state.database import StateDatabase

log = EventLog(__name__)

MAX_ACTS = 1000
"""Number of acts remembered: as many as requests."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS act (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, plan BLOB NOT NULL, sent INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """An act that was begun; ``sent``: the broker has its messages."""

    plan: Plan
    sent: bool


class ActLog:
    """The last MAX_ACTS acts; where the file fails, memory goes on."""

    def __init__(self, database: StateDatabase) -> None:
        """Keep them in ``database``."""
        self._database = database
        database.define(lambda db: db.executescript(_SCHEMA))

    def find(self, key: str) -> Begun | None:
        """The act of a request, if it was begun.

        Raises:
            RequestError: internal: by another version of the node, whose plan cannot be read. It is not
                begun anew: it would be done twice.
        """
        query = "SELECT plan, sent FROM act WHERE key = ?"
        row = self._database.run(lambda db: db.execute(query, (key,)).fetchone())
        if row is None:
            return None
        try:
            return Begun(PLAN.validate_json(row[0]), bool(row[1]))
        except ValidationError as error:
            log.error("act_log.unreadable", errors=error.error_count())  # noqa: TRY400 - it may quote names
            text = "another version of the node had begun this act: whether the devices got it is not known"
            raise RequestError("internal", text) from None  # its words may quote names

    def begin(self, key: str, plan: Plan) -> None:
        """Write down an act before anything of it is sent."""
        row = key, PLAN.dump_json(plan)
        self._write("INSERT OR REPLACE INTO act (key, plan, sent) VALUES (?, ?, 0)", *row)
        self._write("DELETE FROM act WHERE number <= (SELECT MAX(number) FROM act) - ?", MAX_ACTS)

    def sent(self, key: str) -> None:
        """Write down that the broker has all messages of an act."""
        self._write("UPDATE act SET sent = 1 WHERE key = ?", key)

    def withdraw(self, key: str) -> None:
        """Forget an act of which nothing was sent."""
        self._write("DELETE FROM act WHERE key = ?", key)

    def _write(self, statement: str, *values: object) -> None:
        try:
            self._database.run(lambda db: db.execute(statement, values))
        except sqlite3.Error as error:
            log.error("act_log.not_saved", reason=str(error))  # noqa: TRY400 - the act is done all the same
