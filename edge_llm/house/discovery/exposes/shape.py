"""An entity in progress: what a device's parts are to the house, before it has an id and a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_llm.contract.house import Range
from edge_llm.house.discovery.entity import STATE, Command, Reading
from edge_llm.house.discovery.exposes.entries import Feature
from edge_llm.house.discovery.exposes.messages import (
    Degrees,
    Fixed,
    NumberOf,
    OneOf,
    Percent,
    PercentOf,
    Scale,
    TextOf,
    WordOf,
    body,
)

_MAX_LEVEL = 2**16


@dataclass
class Shape:
    """What one part of a device is: ``object_id`` names it as zigbee2mqtt does for Home Assistant."""

    kind: str
    object_id: str
    topic: str
    """The device's own: its states come there."""
    label: str = ""
    """Behind the device's name, where it has several parts."""
    device_class: str | None = None
    unit: str | None = None
    problem: str | None = None
    """What of it cannot be read."""
    capabilities: dict[str, Any] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)

    @property
    def command_topic(self) -> str:
        """Where every command goes."""
        return f"{self.topic}/set"

    def reads(self, of: str, read: Any) -> None:
        """Add a reading of the device's state."""
        self.readings.append(Reading(self.topic, of, read))

    def sends(self, action: str, **values: Any) -> None:
        """Add an action that takes no value."""
        self.commands[action] = Fixed(self.command_topic, body(values))

    def switches(
        self, state: Feature | None, capability: str = "on_off", actions: tuple[str, str] = ("on", "off"),
        words: tuple[str, str] = ("on", "off"),
    ) -> None:  # fmt: skip
        """Add what has two states, one value for each."""
        if state is None or state.value_on is None or state.value_off is None:
            return
        both = state.value_on, state.value_off
        if state.settable:
            self.capabilities[capability] = True
            for action, value in zip(actions, both, strict=True):
                self.sends(action, **{state.key: value})
        if state.published:
            self.reads(STATE, WordOf(state.key, tuple(zip(both, words, strict=True))))

    def levels(self, capability: str, level: Feature | None, scale: Scale | None) -> None:
        """Add a level in percent, the least of which is 0 percent."""
        if level and scale and level.settable:
            self.capabilities[capability] = Range()
            self.commands[capability] = Percent(self.command_topic, level.key, scale)
        if level and scale and level.published:
            self.reads(capability, PercentOf(level.key, scale))

    def speeds(self, speed: Feature, scale: Scale, names: tuple[str, ...], off: Mapping[str, Any]) -> None:
        """Add speeds, the least of which is more than 0 percent; ``names`` are theirs, the lowest first."""
        if speed.settable:
            self.capabilities["speed"] = Range(min=0 if off else 1)
            stop = body(off) if off else None
            self.commands["speed"] = Percent(self.command_topic, speed.key, scale, names, stop)
        if speed.published:
            self.reads("speed", PercentOf(speed.key, scale, names))

    def chooses(self, capability: str, choice: Feature | None, names: tuple[str, ...]) -> None:
        """Add a choice of names."""
        if choice is None or not names:
            return
        if choice.settable:
            self.capabilities[capability] = names
            payloads = tuple((name, body({choice.key: name})) for name in names)
            self.commands[capability] = OneOf(self.command_topic, payloads)
        if choice.published:
            self.reads(capability, TextOf(choice.key))

    def degrees(self, wanted: Feature) -> None:
        """Add a wanted temperature."""
        low, high = wanted.value_min, wanted.value_max
        if wanted.settable and low is not None and high is not None and low < high:
            step, unit = wanted.value_step or 0.5, wanted.unit or "°C"
            self.capabilities["temperature"] = Range(min=low, max=high, step=step, unit=unit)
            self.commands["temperature"] = Degrees(self.command_topic, wanted.key, low, high)
        if wanted.published:
            self.reads("temperature", NumberOf(wanted.key))


def scale_of(level: Feature | None, below: int = 0) -> Scale | None:
    """The scale of a value with limits, 0 percent being ``below`` the least; None where it has none."""
    if level is None or level.value_min is None or level.value_max is None:
        return None
    low, high = round(level.value_min), round(level.value_max)
    if not -_MAX_LEVEL <= low < high <= _MAX_LEVEL:
        return None
    return Scale(low - below, high)
