"""What of an act is the node's own to do, by which messages, and what is said of what became of it."""

import json
from typing import Any, cast

import pytest

from edge_llm.config import HouseSettings
from edge_llm.contract.house import Device, House
from edge_llm.contract.requests import Request
from edge_llm.house.acts import Value
from edge_llm.house.announced.states import DeviceState
from edge_llm.house.discovery.entity import Command, Entity, Publish
from edge_llm.node.acts.acting import Acting, Said, told
from edge_llm.node.acts.actor import Carried
from edge_llm.node.acts.planner import Planner
from tests.unit.house.houses import house, light

LEVEL = {"capabilities": {"on_off": True, "brightness": {}, "color": ["red"]}}
HOUSE = house(
    light("lamp", "Lamp", area="k", **LEVEL),
    light("strip", "Strip", area="k", **LEVEL),
    {"id": "hub.heater", "name": "Heater", "kind": "climate", "unique_id": "0x1"},
    {"id": "door", "name": "Front door", "kind": "lock"},
    {"id": "tv", "name": "Screen", "kind": "media_player"},
    areas=[{"id": "k", "name": "Kitchen"}],
)


def command(device: str, action: str) -> Command:
    def publishes(value: Value) -> tuple[Publish, ...]:
        return (Publish(f"z/{device}/set", json.dumps({action: value})),) if value != "red" else ()

    return publishes


def entity(device: Device) -> Entity:
    actions = {
        "light": ("on", "off", "brightness", "color"),
        "climate": ("on", "off", "temperature"),
        "lock": ("lock", "unlock"),
    }[device.kind]
    commands = {action: command(device.id, action) for action in actions}
    return Entity(device, None, commands, frozenset({f"z/{device.id}/set"}), (), "f")


class Devices:
    """Knows lamp, strip, door, and the heater by its maker's id."""

    def __init__(self) -> None:
        by_id = {device.id: device for device in HOUSE.devices}
        own = by_id["hub.heater"].model_copy(update={"id": "own.heater"})
        self.entities = [entity(by_id[each]) for each in ("lamp", "strip", "door")] + [entity(own)]
        self.states: dict[str, DeviceState] = {}

    def entity(self, device: Device) -> Entity | None:
        same = (e for e in self.entities if device.id == e.device.id or device.unique_id == "0x1")
        return next((e for e in same if e.device.kind == device.kind), None)

    def state(self, name: str) -> DeviceState | None:
        return self.states.get(name)

    def observed(self, device: Device) -> Device:
        state = self.states.get(device.id)
        return device.model_copy(update={"state": state.state if state else "unknown"})

    def tells_state(self, entity: Entity) -> bool:
        return entity.device.kind != "lock"

    def age_s(self, device: Device) -> float | None:
        return 7200.0 if device.id in self.states else None


class Talk:
    def __init__(self, *kinds: str, of: House = HOUSE) -> None:
        settings = HouseSettings(act=kinds or ("light", "climate", "lock"), confirm=())
        self.devices = Devices()
        planner = Planner(settings, cast("Any", self.devices), lambda client: client == "homeassistant")
        self.acting = Acting(settings, planner)
        self.acting.use(of)

    def say(self, text: str, client: str = "wall", **fields: Any) -> Said:
        request = Request.model_validate_json(json.dumps({"text": text, "act": "auto"} | fields))
        said = self.acting.begin(client, request)
        assert isinstance(said, Said), said
        return said

    def sent(self, text: str) -> list[tuple[str, Any]]:
        plan = self.say(text).plan
        assert plan
        return [(m.topic, json.loads(m.payload)) for step in plan.steps for m in step.messages]


def test_an_act_on_announced_devices_is_the_nodes_and_the_client_gets_no_call() -> None:
    said = Talk().say("turn on the lamp")
    assert (said.text, said.calls) == ("", ())
    assert said.plan
    assert said.plan.texts == ("Turned on Lamp.",)
    assert [call.device_ids for call in said.plan.calls] == [("lamp",)]
    assert said.plan.steps[0].messages == (Publish("z/lamp/set", '{"on": null}'),)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("set the lamp to 40 percent", [("z/lamp/set", {"brightness": 40.0})]),
        (
            "turn off the lights in the kitchen",
            [("z/lamp/set", {"off": None}), ("z/strip/set", {"off": None})],
        ),
        ("set the heater to 21 degrees", [("z/own.heater/set", {"temperature": 21.0})]),
        ("lock the front door", [("z/door/set", {"lock": None})]),
        ("make the lamp red", []),
    ],
)
def test_each_device_is_sent_what_moves_it(text: str, sent: list[tuple[str, Any]]) -> None:
    assert Talk().sent(text) == sent


def test_a_change_of_level_is_the_new_level_where_the_old_one_is_known() -> None:
    talk = Talk()
    assert talk.sent("make the lamp brighter") == []
    talk.devices.states["lamp"] = DeviceState("on", {"brightness": 90}, told=1)
    assert talk.sent("make the lamp brighter") == [("z/lamp/set", {"brightness": 100.0})]
    assert talk.sent("make the lamp dimmer") == [("z/lamp/set", {"brightness": 70.0})]


def test_what_the_configuration_does_not_list_is_the_clients() -> None:
    said = Talk("climate").say("turn on the lamp")
    assert said.plan is None
    assert [call.device_ids for call in said.calls] == [("lamp",)]


def test_who_describes_devices_moves_them() -> None:
    said = Talk().say("turn on the lamp", "homeassistant")
    assert said.plan is None
    assert said.calls


def test_the_house_of_a_request_is_the_clients() -> None:
    said = Talk().say("turn on the lamp", house={"devices": [light("lamp", "Lamp")]})
    assert said.plan is None
    assert said.calls


def test_two_acts_may_be_done_by_two() -> None:
    said = Talk().say("turn on the lamp and pause the screen")
    assert said.plan
    assert [call.device_ids for call in said.calls] == [("tv",)]
    both = told(said, Carried(said.plan))
    assert both.text == "Turned on Lamp. Paused Screen."
    assert both.calls == said.calls
    assert both.outcome
    assert both.outcome.carried_out == said.plan.calls


@pytest.mark.parametrize(
    ("unconfirmed", "failed", "outcome", "text"),
    [
        ((), (), "done", "Turned on Lamp. Turned off Heater."),
        (("Lamp",), (), "sent", "Turned off Heater. I have sent it, but there is no answer from: Lamp."),
        ((), ("Lamp", "Heater"), "failed", "That did not work: Lamp, Heater."),
    ],
)
def test_nothing_is_claimed_that_no_device_shows(
    unconfirmed: tuple[str, ...], failed: tuple[str, ...], outcome: str, text: str
) -> None:
    said = Talk().say("turn on the lamp and turn off the heater")
    assert said.plan
    end = told(said, Carried(said.plan, unconfirmed, failed))
    assert end.text == text
    assert end.outcome
    assert (end.outcome.outcome, end.outcome.candidates) == (outcome, (*failed, *unconfirmed))


def test_questions_are_answered_from_states_with_their_age() -> None:
    talk = Talk()
    talk.devices.states["lamp"] = DeviceState("on", told=1)
    assert talk.say("is the lamp on?").text == "Yes. Lamp: on (2 hours ago)."
    assert talk.say("is the strip on?").text == "Strip: unknown."
    assert talk.say("is the lamp on?", "homeassistant").calls
