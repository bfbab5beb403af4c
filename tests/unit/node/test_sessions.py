"""Sessions outlive the process and stay within their bounds."""

import sqlite3
import time
from functools import partial
from pathlib import Path

import pytest

from edge_llm.config import SessionsSettings
from edge_llm.contract.tools import ToolCall
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.errors import EdgeLlmError
from edge_llm.node.sessions import KEPT_TURNS, History, SessionStore
from edge_llm.state import clock
from edge_llm.state.database import StateDatabase

TURNS = (
    Turn(role="user", content="Is it warm?"),
    GeneratedTurn(role="assistant", content="Ja, ☀.", token_ids=(5, 7)),
)


CALL = ToolCall(id="call_1", name="set_lamp", arguments={"room": "küche", "level": None})
CALLED = (
    Turn(role="user", content="Light!"),
    GeneratedTurn(role="assistant", content="", tool_calls=(CALL, CALL), token_ids=(5, 7)),
    Turn(role="tool", content="", tool_call_id="call_1", name="set_lamp"),
    Turn(role="assistant", content="It is on."),
)


def test_turns_survive_a_restart_and_belong_to_their_client(tmp_path: Path) -> None:
    settings = SessionsSettings(file=tmp_path / "state" / "sessions.db")
    store = SessionStore(settings)
    store.append("panel", "s", "r1", *TURNS)
    store.append("panel", "s", "r2", Turn(role="user", content="And now?"))
    # Not closed, as after kill -9.
    again = SessionStore(settings)
    assert again.load("panel", "s") == (*TURNS, Turn(role="user", content="And now?"))
    assert again.load("other", "s") == ()
    again.delete("panel", "s")
    assert again.list("panel") == ()


def test_a_request_that_is_answered_again_stands_in_the_session_once() -> None:
    """Killed after the turns were stored and before the reply was delivered: the broker sends it again."""
    store = SessionStore(SessionsSettings())
    store.append("panel", "s", "r1", *TURNS)
    store.append("panel", "s", "r2", Turn(role="user", content="And now?"), TURNS[1])
    assert store.load("panel", "s", "r2") == TURNS
    store.append("panel", "s", "r2", Turn(role="user", content="And now?"), TURNS[1])
    assert store.load("panel", "s") == (*TURNS, Turn(role="user", content="And now?"), TURNS[1])


def test_the_longest_unused_sessions_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(clock, "time", lambda: 0.0)
    monkeypatch.setattr(clock, "boottime", lambda: now)
    store = SessionStore(SessionsSettings(max_sessions=2, max_age_s=100))
    for now, session in enumerate("abac"):
        store.append("panel", session, str(now), *TURNS)
    assert store.list("panel") == ("c", "a")
    now = 105
    assert store.load("panel", "a") == ()
    store.append("panel", "d", "r", *TURNS)
    assert store.list("panel") == ("d",)


def test_a_database_that_fails_is_an_error_to_read_and_a_log_line_to_write(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = SessionStore(SessionsSettings())
    store.close()
    with pytest.raises(EdgeLlmError, match="the session store failed"):
        store.load("panel", "s")
    store.append("panel", "s", "r1", *TURNS)
    assert [record.message.split()[0] for record in caplog.records] == ["sessions.not_saved"]


def test_token_ids_are_those_of_the_tokenizer_that_made_them(tmp_path: Path) -> None:
    """After a change of bundle the text is encoded anew; back at the first one its ids count again."""
    settings = SessionsSettings(file=tmp_path / "s.db")
    SessionStore(settings, "sha-a").append("panel", "s", "r1", *TURNS)
    other = SessionStore(settings, "sha-b")
    text_only = tuple(Turn(role=turn.role, content=turn.content) for turn in TURNS)
    assert other.load("panel", "s") == text_only
    other.append("panel", "s", "r2", *TURNS)
    assert other.load("panel", "s") == (*text_only, *TURNS)
    assert SessionStore(settings, "sha-a").load("panel", "s") == (*TURNS, *text_only)


def test_a_file_from_before_tokenizers_were_named_is_read_by_its_text(tmp_path: Path) -> None:
    settings = SessionsSettings(file=tmp_path / "s.db")
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute(
            "CREATE TABLE message (client TEXT NOT NULL, session TEXT NOT NULL, number INTEGER NOT NULL,"
            " role TEXT NOT NULL, content TEXT NOT NULL, token_ids TEXT, time REAL NOT NULL,"
            " request TEXT NOT NULL, PRIMARY KEY (client, session, number)) WITHOUT ROWID"
        )
        row = ("panel", "s", 1, "assistant", "Ja, ☀.", "[5, 7]", time.time(), "r1")
        db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.close()
    for _ in range(2):  # also once the column is there
        store = SessionStore(settings, "sha-a")
        assert store.load("panel", "s")[0] == Turn(role="assistant", content="Ja, ☀.")
        store.close()
    store = SessionStore(settings, "sha-a")
    store.append("panel", "s", "r2", *TURNS)
    assert store.load("panel", "s")[1:] == TURNS


def test_calls_and_results_survive_a_restart_in_a_file_of_an_older_node(tmp_path: Path) -> None:
    """Its table has no columns for them: neither those of now, nor the tokenizer's."""
    settings = SessionsSettings(file=tmp_path / "s.db")
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute(
            "CREATE TABLE message (client TEXT NOT NULL, session TEXT NOT NULL, number INTEGER NOT NULL,"
            " role TEXT NOT NULL, content TEXT NOT NULL, token_ids TEXT, time REAL NOT NULL,"
            " request TEXT NOT NULL, tokenizer TEXT, PRIMARY KEY (client, session, number)) WITHOUT ROWID"
        )
        row = ("panel", "s", 1, "user", "Is it warm?", None, time.time(), "r1", "sha-a")
        db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.close()
    SessionStore(settings, "sha-a").append("panel", "s", "r2", *CALLED)
    assert SessionStore(settings, "sha-a").load("panel", "s") == (TURNS[0], *CALLED)
    of_another_model = SessionStore(settings, "sha-b").load("panel", "s")[2]
    assert of_another_model == Turn(role="assistant", content="", tool_calls=(CALL, CALL))


@pytest.mark.parametrize(
    "damaged", ["[{", "7", "null", '[{"id": "1", "name": "a b", "arguments": {}}]', "[" * 5000]
)
def test_a_session_whose_calls_cannot_be_read_is_forgotten(
    damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = StateDatabase()
    store = SessionStore(SessionsSettings(), database=database)
    store.append("panel", "s", "r1", *CALLED)
    store.append("panel", "good", "r1", *CALLED)
    statement = f"UPDATE message SET tool_calls = '{damaged}' WHERE session = 's' AND role = 'assistant'"  # noqa: S608 - the test's own
    database.run(partial(execute, statement=statement))
    assert store.load("panel", "s") == ()
    assert store.load("panel", "good") == CALLED
    assert "küche" not in caplog.text
    assert {record.message.split()[0] for record in caplog.records} == {"sessions.damaged"}


@pytest.mark.parametrize("damaged", ["[5, 7", "7", '["x"]', "{}", "[1.5]", "null"])
def test_ids_that_cannot_be_read_are_left_to_the_text(tmp_path: Path, damaged: str) -> None:
    store = SessionStore(SessionsSettings(file=tmp_path / "s.db"), "sha-a")
    store.append("panel", "s", "r1", *TURNS)
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("UPDATE message SET token_ids = ? WHERE role = 'assistant'", (damaged,))
    db.close()
    assert store.load("panel", "s")[1].content == TURNS[1].content
    assert getattr(store.load("panel", "s")[1], "token_ids", ()) == ()


def test_dropped_turns_stay_out_of_prompts_and_are_counted(tmp_path: Path) -> None:
    settings = SessionsSettings(file=tmp_path / "s.db")
    store = SessionStore(settings)
    for number in range(3):
        store.append("panel", "s", f"r{number}", *TURNS)
    store.append("panel", "s", "r3", *TURNS, dropped=2)
    store.append("panel", "s", "r4", *TURNS, dropped=3)
    store.append("panel", "t", "r0", *TURNS)
    again = SessionStore(settings)  # also over a restart
    history = again.history("panel", "s", "r5")
    assert (len(history.turns), history.dropped) == (5, 5)
    assert len(again.load("panel", "s")) == 10  # who asks for the conversation gets all of it
    assert again.history("panel", "t", "r5") == History(TURNS, 0)
    again.delete("panel", "s")
    again.append("panel", "s", "r6", *TURNS)
    assert again.history("panel", "s", "r7") == History(TURNS, 0)


def test_a_session_that_is_never_left_does_not_grow() -> None:
    """Turns that prompts no longer hold go, but for the last ones; all of them stay counted."""
    store = SessionStore(SessionsSettings())
    for number in range(KEPT_TURNS):
        turns = [Turn(role=turn.role, content=f"{number}") for turn in TURNS]
        store.append("panel", "s", f"r{number}", *turns, dropped=2 if number >= 10 else 0)
    history = store.history("panel", "s", "next")
    assert [turn.content for turn in history.turns[::2]] == [f"{KEPT_TURNS - n}" for n in range(10, 0, -1)]
    assert len(history.turns) + history.dropped == 2 * KEPT_TURNS
    assert [turn.content for turn in store.load("panel", "s")[::2]] == [
        f"{number}" for number in range(KEPT_TURNS // 2, KEPT_TURNS)
    ]


def test_turns_that_a_prompt_may_hold_are_never_forgotten() -> None:
    """However many there are: a large context holds them all."""
    store = SessionStore(SessionsSettings())
    for number in range(KEPT_TURNS):
        store.append("panel", "s", f"r{number}", *TURNS)
    assert len(store.history("panel", "s", "next").turns) == 2 * KEPT_TURNS


def test_a_request_that_is_answered_again_drops_its_turns_once() -> None:
    store = SessionStore(SessionsSettings())
    store.append("panel", "s", "r1", *TURNS)
    for _ in range(2):
        dropped = len(store.history("panel", "s", "r2").turns)  # nothing is left to drop the second time
        store.append("panel", "s", "r2", *TURNS, dropped=dropped)
        assert store.history("panel", "s", "r2") == History((), 2)
    assert store.history("panel", "s", "r3") == History(TURNS, 2)


def test_a_session_that_is_too_old_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old turns do not come back behind the first new one."""
    now = 0.0
    store = SessionStore(SessionsSettings(max_age_s=100))
    monkeypatch.setattr(store, "_now", lambda: now)
    store.append("panel", "s", "r1", *TURNS)
    store.append("panel", "s", "r2", *TURNS, dropped=2)
    now = 150.0
    assert store.history("panel", "s", "r3") == History((), 0)
    store.append("panel", "s", "r3", *TURNS)
    assert store.load("panel", "s") == TURNS
    assert store.history("panel", "s", "r4") == History(TURNS, 0)


def test_a_session_that_cannot_be_read_is_forgotten_and_the_others_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = StateDatabase()
    store = SessionStore(SessionsSettings(), database=database)
    for session in ("role", "time", "good"):
        store.append("panel", session, "r1", *TURNS)
    damage = "UPDATE message SET {} = 'x' WHERE session = '{}'"
    for column, session in (("role", "role"), ("time", "time")):
        database.run(partial(execute, statement=damage.format(column, session)))
        assert store.load("panel", session) == ()
    assert store.load("panel", "good") == TURNS
    store.append("panel", "role", "r2", *TURNS)
    assert set(store.list("panel")) == {"role", "good"}
    assert "Is it warm" not in caplog.text
    assert {record.message.split()[0] for record in caplog.records} == {"sessions.damaged"}


def execute(db: sqlite3.Connection, statement: str) -> None:
    db.execute(statement)


def test_a_step_of_the_clock_forgets_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a battery begins in another year, and is set right while the node runs."""
    wall = 1e9
    monkeypatch.setattr(clock, "time", lambda: wall)
    store = SessionStore(SessionsSettings(max_age_s=100))
    store.append("panel", "s", "r1", *TURNS)
    wall = 2e9
    assert store.load("panel", "s") == TURNS
    store.append("panel", "other", "r1", *TURNS)
    assert store.list("panel") == ("other", "s")
