"""An act is carried out once, and claims what the devices' states show: whatever is killed or comes again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition
from time import monotonic
from typing import Any, cast

import pytest

from edge_llm.contract.topics import Topics
from edge_llm.errors import RequestError
from edge_llm.house.announced.plan import Plan, Step
from edge_llm.house.announced.states import DeviceState
from edge_llm.house.discovery.entity import Publish
from edge_llm.mqtt.message import Message
from edge_llm.node.acts import actor as actors
from edge_llm.node.acts.act_log import ActLog
from edge_llm.node.acts.actor import Actor, Carried
from edge_llm.state.database import StateDatabase
from tests.common import eventually

TOPICS = Topics("edge_llm", "kitchen-pc")
ON = Publish("z/lamp/set", '{"state":"ON"}')


def plan(
    *names: str, action: str = "on", messages: tuple[Publish, ...] = (ON,), tells_state: bool = True
) -> Plan:
    names = names or ("lamp",)
    steps = tuple(Step(name, name, 0, action, None, messages, tells_state) for name in names)
    return Plan("en", ("Turned on the lamp.",), (), steps)


@dataclass
class Devices:
    """What the actor sees of devices and broker; a message reaches the broker unless it is ``cut``."""

    due: Condition
    ready: bool = True
    connections: int = 1
    cut: bool = False
    """Whether the connection breaks before the next messages are sent."""
    published: list[Publish] = field(default_factory=list)
    noted: list[bytes] = field(default_factory=list)
    """Notes that the broker keeps, in order."""
    states: dict[str, DeviceState] = field(default_factory=dict)
    before_publish: Any = None

    def publish(self, message: Publish) -> None:
        if self.before_publish:
            self.before_publish()
        if not self.cut:
            self.published.append(message)

    def note(self, _topic: str, payload: str) -> None:
        if not self.cut:
            self.noted.append(payload.encode())

    def told(self, device: str) -> int:
        state = self.states.get(device)
        return state.told if state else 0

    def state(self, device: str) -> DeviceState | None:
        return self.states.get(device)

    def tell(self, device: str, state: str) -> None:
        before = self.told(device)
        self.states[device] = DeviceState(state, told=before + 1)
        with self.due:
            self.due.notify_all()


class Rig:
    """An actor with its log in a file, the broker's memory, and what has ended."""

    def __init__(self, path: Path) -> None:
        self.due = Condition()
        self.devices = Devices(self.due)
        self.database = StateDatabase(path)
        self.ended: list[Carried] = []
        self.acknowledged: list[bytes] = []
        self.actor = Actor(
            TOPICS,
            cast("Any", self.devices),
            ActLog(self.database),
            lambda _topic, payload: self.devices.noted.append(payload),
            self.due,
        )

    def act(self, key: str = "k", of: Plan | None = None, *, wait_s: float = 60.0) -> None:
        self.actor.carry_out(key, "wall", of or plan(), monotonic() + wait_s, self.ended.append)

    def hand_out(self) -> None:
        """Hand the node what it has noted to itself, in order; what it acknowledges is forgotten."""
        for payload in tuple(self.devices.noted):

            def forget(message: Message) -> None:
                self.devices.noted.remove(message.payload)
                self.acknowledged.append(message.payload)

            handler = self.actor.subscriptions[TOPICS.acted].on_message
            handler(Message(TOPICS.acted, payload, qos1=True, on_acknowledge=forget))

    def carried(self) -> Carried:
        eventually(lambda: self.ended)
        return self.ended.pop(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def rig(path: Path) -> Iterator[Rig]:
    rig = Rig(path)
    rig.actor.start()
    yield rig
    rig.actor.stop()
    rig.database.close()


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


def test_of_a_note_that_is_none_of_its_own_little_is_kept(rig: Rig) -> None:
    rig.devices.noted = [b"x" * 2**20]
    rig.hand_out()
    eventually(lambda: rig.acknowledged)
    assert sum(map(len, rig.actor._acted)) < 100


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
