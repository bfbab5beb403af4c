"""An act is carried out once, and claims what the devices' states show: whatever is killed or comes again."""

import pytest

from edge_llm.house.announced.plan import Plan
from edge_llm.node.acts import actor as actors
from edge_llm.node.acts.actor import Carried
from tests.common import eventually
from tests.unit.node.acts.rig import ON, Rig, plan


def test_done_is_said_when_the_state_shows_it(rig: Rig) -> None:
    rig.act()
    eventually(lambda: rig.devices.published == [ON])
    rig.hand_out()
    rig.devices.tell("lamp", "off")
    assert not rig.ended
    rig.devices.tell("lamp", "on")
    assert rig.carried() == Carried(plan())
    assert rig.actor.acts.carried_out_total == 1


def test_a_lamp_that_does_not_answer_is_named(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actors, "CONFIRM_S", 0.05)
    rig.devices.tell("lamp", "on")  # before: that shows nothing
    rig.act(of=plan("lamp", "other"))
    eventually(lambda: rig.devices.noted)
    rig.devices.tell("other", "on")
    rig.hand_out()
    assert rig.carried().unconfirmed == ("lamp",)
    assert rig.actor.acts.unconfirmed_total == 1


def test_what_has_no_state_is_done_when_the_broker_has_it(rig: Rig) -> None:
    of = plan(tells_state=False)
    rig.act(of=of)
    eventually(lambda: rig.devices.noted)
    assert not rig.ended
    rig.hand_out()
    assert rig.carried() == Carried(of)


def test_of_a_device_that_has_gone_meanwhile_nothing_is_claimed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody follows its state any more."""
    monkeypatch.setattr(actors, "CONFIRM_S", 0.05)
    rig.devices.tell("lamp", "off")
    rig.act()
    eventually(lambda: rig.devices.noted)
    del rig.devices.states["lamp"]
    rig.hand_out()
    assert rig.carried().unconfirmed == ("lamp",)


def test_what_nothing_can_be_sent_for_has_failed_and_the_rest_is_done(rig: Rig) -> None:
    able, unable = plan("lamp").steps[0], plan("strip", messages=()).steps[0]
    rig.act(of=Plan("en", ("Done.",), (), (able, unable)))
    eventually(lambda: rig.devices.published)
    rig.devices.tell("lamp", "on")
    assert rig.carried().failed == ("strip",)
    assert rig.actor.acts.refused_total == 1


def test_it_waits_for_the_broker_and_not_for_ever(rig: Rig) -> None:
    rig.devices.ready = False
    rig.act()
    rig.act("late", wait_s=0.0)
    assert rig.carried().failed == ("lamp",)
    assert not rig.devices.published
    rig.devices.ready = True
    eventually(lambda: rig.devices.published == [ON])


def test_the_log_has_an_act_before_anything_is_sent(rig: Rig) -> None:
    known: list[bool] = []
    rig.devices.before_publish = lambda: known.append(rig.actor.begun("k") == plan())
    rig.act()
    eventually(lambda: known == [True])


def test_of_a_note_that_is_none_of_its_own_little_is_kept(rig: Rig) -> None:
    rig.devices.noted = [b"x" * 2**20]
    rig.hand_out()
    eventually(lambda: rig.acknowledged)
    assert sum(map(len, rig.actor._acted)) < 100


def test_too_many_at_a_time_are_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"lamp {number}" for number in range(1000)]
    monkeypatch.setattr(actors, "CONFIRM_S", 0.05)
    rig.act(of=plan(*names))
    eventually(lambda: rig.devices.noted)
    rig.hand_out()
    carried = rig.carried()
    assert len(rig.devices.published) == len(names) - len(carried.failed)
    assert 0 < len(carried.failed) < len(names)


def test_what_is_wrong_with_one_act_ends_no_other(rig: Rig) -> None:
    def fail() -> None:
        rig.devices.before_publish = None
        raise OSError("the lamp's name")

    rig.devices.before_publish = fail
    rig.act()
    assert rig.carried().failed == ("lamp",)
    rig.act("next")
    eventually(lambda: rig.devices.published)
    rig.devices.tell("lamp", "on")
    assert rig.carried() == Carried(plan())
