"""What was begun is remembered, and never begun anew."""

from pathlib import Path

import pytest

from edge_llm.errors import RequestError
from edge_llm.node.acts.act_log import MAX_ACTS, ActLog, Begun
from edge_llm.state.database import StateDatabase
from tests.unit.node.acts.rig import plan


def test_an_act_is_found_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    database = StateDatabase(file)
    acts = ActLog(database)
    acts.begin("k", plan())
    acts.begin("gone", plan())
    acts.withdraw("gone")
    database.close()
    again = ActLog(StateDatabase(file))
    assert again.find("k") == Begun(plan(), sent=False)
    again.sent("k")
    assert again.find("k") == Begun(plan(), sent=True)
    assert again.find("gone") is None


def test_an_act_of_another_version_is_not_begun_anew() -> None:
    database = StateDatabase(None)
    acts = ActLog(database)
    acts.begin("k", plan())
    database.run(lambda db: db.execute("UPDATE act SET plan = ?", (b'{"of": "tomorrow"}',)))
    with pytest.raises(RequestError) as refused:
        acts.find("k")
    assert refused.value.code == "internal"


def test_the_oldest_are_forgotten() -> None:
    acts = ActLog(StateDatabase(None))
    for number in range(MAX_ACTS + 1):
        acts.begin(str(number), plan())
    assert acts.find("0") is None
    assert acts.find("1")
