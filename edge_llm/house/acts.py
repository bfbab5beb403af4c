"""Acts, and the calls that they are on the wire: names and slots as Home Assistant's intents have them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge_llm.contract.house import Device
from edge_llm.contract.tools import ToolCall
from edge_llm.house.actions import QUERY, Action, actions_of, capabilities_of, intent_of
from edge_llm.house.language.numbers import plain
from edge_llm.house.targets import EVERYTHING, Target

Value = str | float | None
_UNNUMBERED = "call"
"""Id of a call until its request gives it one."""
_LEVELS = {"brightness": "brightness", "temperature": "temperature"}
"""Attributes that hold the level that a relative action changes."""


@dataclass(frozen=True, slots=True)
class Act:
    """An action on a target, but for the devices that are ``excepted``."""

    target: Target
    action: Action
    value: Value = None
    excepted: frozenset[str] = frozenset()

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that it is for: of a group those that can do it."""
        return tuple(
            device
            for device in self.target.devices
            if device.id not in self.excepted and (self.action == QUERY or self.action in actions_of(device))
        )

    def calls(self) -> Iterator[ToolCall]:
        """The calls that do it: one, or one a device where some are excepted, or are at other levels."""
        single = not self.target.is_group
        if single or (len(self.devices) == len(self.target.devices) and not self.action.step):
            yield _call(self, self.devices, _group_slots(self.target) if not single else None)
            return
        for device in self.devices:
            yield _call(self, (device,), None)


def _call(act: Act, devices: tuple[Device, ...], group: dict[str, Any] | None) -> ToolCall:
    slots = _device_slots(act, devices[0]) if group is None else group
    return ToolCall(
        id=_UNNUMBERED,
        name=intent_of(act.action, devices[0].kind),
        arguments=slots | _value_slots(act, devices[0]),
        device_ids=tuple(device.id for device in devices),
    )


def _device_slots(act: Act, device: Device) -> dict[str, Any]:
    slots: dict[str, Any] = {"name": device.name}
    if act.target.area and not act.target.is_group and act.target.name != device.name:
        slots["area"] = act.target.area.name  # another device has this name, too
    return slots


def _group_slots(target: Target) -> dict[str, Any]:
    slots: dict[str, Any] = {}
    if target.area:
        slots["area"] = target.area.name
    if target.floor:
        slots["floor"] = target.floor.name
    if EVERYTHING in target.kinds:
        # Named one by one: turning on whatever there is would open doors.
        return slots | {"domain": sorted({device.kind for device in target.devices})}
    slots["domain"] = sorted({kind.partition(":")[0] for kind in target.kinds})
    if all(":" in kind for kind in target.kinds):
        slots["device_class"] = sorted({kind.partition(":")[2] for kind in target.kinds})
    return slots


def _value_slots(act: Act, device: Device) -> dict[str, Any]:
    action = act.action
    if action.slot is None:
        return {}
    if action.step:
        return _stepped(act, device)
    value = action.value if action.value is not None else act.value
    return {action.slot: plain(value) if isinstance(value, float) else value}


def _stepped(act: Act, device: Device) -> dict[str, Any]:
    """A new level where the old one is known; else the difference, which no intent of theirs takes."""
    action = act.action
    assert action.slot
    step = action.step * (act.value if isinstance(act.value, float) else 1)
    level = device.attributes.get(_LEVELS[action.capability])
    limits = getattr(capabilities_of(device), action.capability)
    if limits is None or not isinstance(level, int | float) or isinstance(level, bool):
        return {f"{action.slot}_step": plain(step)}
    return {action.slot: plain(min(limits.max, max(limits.min, level + step)))}
