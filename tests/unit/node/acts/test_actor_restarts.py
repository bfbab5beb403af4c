"""An act is sent once, and not lost: whatever breaks, ends or begins again meanwhile."""

from pathlib import Path

import pytest

from edge_llm.errors import RequestError
from edge_llm.node.acts.actor import Carried
from tests.common import eventually
from tests.unit.node.acts.rig import ON, Rig, plan


@pytest.mark.parametrize("was_sent", [True, False], ids=["sent", "not sent"])
def test_a_broken_connection_is_found_out_about_by_a_second_note(rig: Rig, *, was_sent: bool) -> None:
    rig.devices.cut = not was_sent
    rig.act()
    eventually(lambda: rig.actor.begun("k"))
    rig.devices.cut, rig.devices.connections = False, 2
    eventually(lambda: len(rig.devices.noted) == 1 + was_sent)
    assert len(rig.devices.published) == was_sent
    rig.hand_out()
    eventually(lambda: rig.devices.published == [ON])
    rig.devices.tell("lamp", "on")
    assert rig.carried() == Carried(plan())
    assert rig.devices.published == [ON]


@pytest.mark.parametrize("was_sent", [True, False], ids=["sent", "not sent"])
@pytest.mark.parametrize("is_first", [True, False], ids=["note first", "request first"])
def test_a_killed_node_sends_what_it_had_begun_unless_it_was_sent(
    path: Path, *, was_sent: bool, is_first: bool
) -> None:
    """The broker keeps the note of what was sent, and hands it out before or after the request."""
    killed = Rig(path)
    killed.devices.cut = not was_sent
    killed.actor.start()
    killed.act()
    eventually(lambda: len(killed.devices.noted) == was_sent and killed.actor.begun("k"))

    rig = Rig(path)
    rig.devices.noted = list(killed.devices.noted)
    rig.actor.start()
    if is_first:
        rig.hand_out()
    begun = rig.actor.begun("k")
    assert begun
    rig.act(of=begun)
    if not is_first or not was_sent:
        eventually(lambda: len(rig.devices.noted) == 1 + (was_sent and not is_first))
        rig.hand_out()
    if not was_sent:
        eventually(lambda: rig.devices.published == [ON])
    rig.devices.tell("lamp", "on")
    assert rig.carried() == Carried(plan())
    assert rig.devices.published == [ON] * (not was_sent)
    killed.actor.stop()
    rig.actor.stop()


def test_a_note_is_acknowledged_when_the_log_has_it(path: Path) -> None:
    first = Rig(path)
    first.actor.start()
    first.act()
    eventually(lambda: first.devices.noted)
    first.hand_out()
    eventually(lambda: first.acknowledged)
    later = Rig(path)
    later.actor.start()
    later.act(of=later.actor.begun("k"))
    later.devices.tell("lamp", "on")
    assert later.carried() == Carried(plan())
    assert not later.devices.published
    first.actor.stop()
    later.actor.stop()


def test_at_the_end_what_may_not_have_been_sent_is_left_to_the_next_process(rig: Rig) -> None:
    rig.devices.ready = False
    rig.act()
    rig.actor.stop()
    assert rig.carried().is_left
    rig.act("after")
    assert rig.carried().is_left


def test_at_the_end_nothing_is_waited_for_where_the_broker_is_away_and_the_state_is_there_already(
    rig: Rig,
) -> None:
    rig.devices.ready = False
    rig.devices.tell("lamp", "on")
    rig.act()
    rig.actor.stop()
    assert rig.carried().is_left


def test_a_stop_that_may_not_have_been_sent_is_not_done_because_the_device_says_something(path: Path) -> None:
    """No state shows a stop: any message counts, but not before it is known that it was sent."""
    killed = Rig(path)
    killed.devices.cut = True
    killed.actor.start()
    of = plan(action="stop")
    killed.act(of=of)
    eventually(lambda: killed.actor.begun("k"))
    killed.actor.stop()
    later = Rig(path)
    later.devices.tell("lamp", "opening")
    later.actor.start()
    later.act(of=of)
    eventually(lambda: later.devices.noted)
    assert not later.ended
    later.hand_out()
    eventually(lambda: later.devices.published == [ON])
    later.devices.tell("lamp", "open")
    assert later.carried() == Carried(of)
    later.actor.stop()


def test_what_was_refused_and_is_sent_after_all_has_not_failed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_client: str) -> None:
        monkeypatch.setattr(rig.actor._limiter, "take", lambda _client: None)
        raise RequestError("rate_limited", "too many")

    monkeypatch.setattr(rig.actor._limiter, "take", refuse)
    rig.devices.cut = True
    rig.act(of=plan("lamp", "other"))
    eventually(lambda: rig.actor.begun("k"))
    rig.devices.cut, rig.devices.connections = False, 2
    eventually(lambda: rig.devices.noted)
    rig.hand_out()
    eventually(lambda: rig.devices.published == [ON, ON])
    rig.devices.tell("lamp", "on")
    rig.devices.tell("other", "on")
    assert rig.carried() == Carried(plan("lamp", "other"))
