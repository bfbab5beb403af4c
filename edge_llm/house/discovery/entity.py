"""A device that announced itself on the broker: what it is, what moves it, and what it tells of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edge_llm.contract.house import Device, Scalar
from edge_llm.house.acts import Value

STATE, AVAILABLE = "state", "available"
"""What a reading may be of, beside attributes: the state itself, and whether the device is there (a bool)."""


@dataclass(frozen=True, slots=True)
class Publish:
    """A message that moves a device, as its announcement names it, and nothing else."""

    topic: str
    payload: str
    qos: Literal[0, 1, 2] = 0
    retain: bool = False


Command = Callable[[Value], tuple[Publish, ...]]
"""The messages of an action, from its value: percent, degrees, a name of a color or a mode; else None.

Empty where the device cannot be set to that value.
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """A part of a device's state, from a message on ``topic``, which may be a filter with ``+`` in it.

    ``of`` is STATE, AVAILABLE or the name of an attribute: ``brightness``, ``position``, ``speed`` and
    ``volume`` in percent, ``temperature`` and ``humidity`` (the wanted ones), ``current_temperature``,
    ``current_humidity``, ``mode``, ``option``, ``color``. ``read`` returns None of a message that says
    nothing of it; it raises nothing.
    """

    topic: str
    of: str
    read: Callable[[str], Scalar]


@dataclass(frozen=True, slots=True)
class Entity:
    """A device, the commands that it takes, and where its state comes.

    The device's id is where it was announced. Its states are words of Home Assistant: ``on``, ``off``,
    ``open``, ``closing``, ``locked``, ``cleaning``, a thermostat's mode, or what a sensor measures.
    """

    device: Device
    """Without an area: that is ``area``, and the house gives it an id."""
    area: str | None
    """Name of the room that it says it is in."""
    commands: Mapping[str, Command]
    """By id of an action (``house.actions``): every action that its capabilities have, but relative ones."""
    command_topics: frozenset[str]
    """Every topic that its commands may publish to."""
    readings: tuple[Reading, ...]
    """Several may be of AVAILABLE, each with another topic: ``availability`` says what they mean together."""
    fingerprint: str
    """Digest of all that decides what its commands publish: another one has to be accepted again."""
    availability: Literal["all", "any", "latest"] = "latest"
    """Whether all, any or only the last of the AVAILABLE readings have to be true."""
