"""What devices tell of themselves is kept, and shows whether an act came to what it was for."""

import json
from dataclasses import replace
from typing import Literal

import pytest

from edge_llm.contract.house import Device, Scalar
from edge_llm.house.announced.states import MAX_STATE_BYTES, DeviceState, DeviceStates, Told
from edge_llm.house.discovery.entity import AVAILABLE, STATE, Entity, Reading


def reading(topic: str, of: str, name: str) -> Reading:
    def read(payload: str) -> Scalar:
        try:
            value: Scalar = json.loads(payload).get(name)
        except ValueError:
            return None
        return value

    return Reading(topic, of, read)


def lamp(name: str = "lamp") -> Entity:
    return Entity(
        Device(id=name, name=name, kind="light", attributes={}),
        None,
        {},
        frozenset(),
        (
            reading(f"z/{name}", STATE, "state"),
            reading(f"z/{name}", "brightness", "level"),
            reading(f"z/{name}/availability", AVAILABLE, "here"),
        ),
        "f",
    )


def following(*names: str) -> DeviceStates:
    states = DeviceStates()
    states.follow({name: lamp(name) for name in names})
    return states


def tell(states: DeviceStates, topic: str, *, retained: bool = False, **fields: object) -> bool:
    return states.update(topic, json.dumps(fields).encode(), retained=retained)


def test_a_message_tells_what_it_holds_and_the_rest_stays() -> None:
    states = following("lamp", "other")
    assert states.topics == {"z/lamp", "z/lamp/availability", "z/other", "z/other/availability"}
    assert states.of("lamp") is None
    assert tell(states, "z/lamp", state="on", level=40)
    assert tell(states, "z/lamp", level=50)
    state = states.of("lamp")
    assert state
    assert (state.state, state.attributes, state.available) == ("on", {"brightness": 50}, True)
    assert states.of("other") is None
    assert not tell(states, "z/lamp", nothing=1)
    assert not tell(states, "elsewhere", state="on")


def test_how_old_a_state_is_that_the_broker_kept_nobody_knows() -> None:
    states = following("lamp")
    tell(states, "z/lamp", retained=True, state="on")
    state = states.of("lamp")
    assert state
    assert state.age_s() is None
    tell(states, "z/lamp", state="on")
    assert state.age_s() == pytest.approx(0, abs=5)


def test_what_is_too_large_or_no_text_tells_nothing() -> None:
    states = following("lamp")
    assert not tell(states, "z/lamp", state="on" * MAX_STATE_BYTES)
    assert not states.update("z/lamp", b"\xff\xfe", retained=False)


def test_devices_that_have_gone_are_forgotten_and_the_others_keep_their_states() -> None:
    states = following("lamp", "other")
    for name in ("lamp", "other"):
        tell(states, f"z/{name}", state="on")
    states.follow({"lamp": lamp()})
    assert states.of("other") is None
    assert states.of("lamp")
    assert states.told("lamp") == Told(1)
    assert not tell(states, "z/other", state="on")


@pytest.mark.parametrize(
    ("action", "value", "state", "attributes", "is_so"),
    [
        ("on", None, "on", {}, True),
        ("on", None, "heat", {}, True),
        ("on", None, "off", {}, False),
        ("off", None, "off", {}, True),
        ("open", None, "opening", {}, True),
        ("close", None, "open", {}, False),
        ("lock", None, "locked", {}, True),
        ("unlock", None, "locking", {}, False),
        ("brightness", 40.0, "on", {"brightness": 39.8}, True),
        ("brightness", 40.0, "on", {"brightness": 80}, False),
        ("mode", "Heat", "heat", {}, True),
        ("mode", "eco", "heat", {"mode": "boost"}, False),
        ("option", "b", "b", {}, True),
        ("mode", "heat", "heat", {"mode": "none"}, True),
        ("mode", "eco", "heat", {"mode": "Eco"}, True),
        ("stop", None, "open", {}, True),
        ("color", "red", "on", {}, True),
        ("position", 40.0, "open", {}, True),
        ("position", 40.0, "closing", {"position": 100}, True),
        ("position", 40.0, "opening", {"position": 100}, False),
        ("position", 40.0, "opening", {"position": 0}, True),
        ("position", 40.0, "open", {"position": 100}, False),
    ],
)
def test_a_state_shows_what_an_action_came_to(
    action: str, value: str | float | None, state: str, attributes: dict[str, Scalar], *, is_so: bool
) -> None:
    now = DeviceState(state, attributes, told=1)
    assert now.is_as(action, value, Told(0)) is is_so
    assert not now.is_as(action, value, Told(1))  # nothing has been told since
    assert not DeviceState(state, attributes, {"z": False}, told=1).is_as(action, value, Told(0))


@pytest.mark.parametrize(("position", "is_so"), [(100, False), (80, True), (39, True), (20, False)])
def test_a_curtain_that_tells_positions_alone_moves_when_it_has_come_nearer(
    position: int, *, is_so: bool
) -> None:
    now = DeviceState("open", {"position": position}, told=2)
    assert now.is_as("position", 40.0, Told(1, 100)) is is_so
    assert not DeviceState("open", {"position": 80}, told=2).is_as("position", 40.0, Told())


@pytest.mark.parametrize(
    ("together", "is_there"), [("all", False), ("any", True), ("latest", True)], ids=["all", "any", "latest"]
)
def test_whether_a_device_is_there_is_as_its_announcement_counts_what_is_said(
    together: Literal["all", "any", "latest"], *, is_there: bool
) -> None:
    states = DeviceStates()
    bridge = reading("z/bridge", AVAILABLE, "here")
    of = lamp()
    states.follow({"lamp": replace(of, readings=(*of.readings, bridge), availability=together)})
    tell(states, "z/lamp", state="on")
    state = states.of("lamp")
    assert state
    assert state.available
    tell(states, "z/lamp/availability", here=False)
    assert not state.available
    tell(states, "z/bridge", here=True)
    assert state.available is is_there
    tell(states, "z/lamp/availability", here=True)
    assert state.available


def test_a_topic_may_stand_for_several() -> None:
    states = DeviceStates()
    of = lamp()
    states.follow({"lamp": replace(of, readings=(reading("+/+/lamp", STATE, "state"),))})
    assert states.topics == {"+/+/lamp"}
    assert tell(states, "home/gateway/lamp", state="on")
    assert not tell(states, "home/lamp", state="on")
