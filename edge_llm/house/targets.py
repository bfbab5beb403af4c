"""What a sentence can be about: every device, and every group of devices that is not empty."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count

from edge_llm.contract.house import Area, Device, Floor, House, Range
from edge_llm.house.actions import ACTIONS, Action, actions_of, capabilities_of
from edge_llm.house.language.words import Words

EVERYTHING = "*"
"""The kind of a group of all that can be switched on and off."""
_READ_ONLY = "sensor", "binary_sensor", "person", "weather", "device_tracker", "sun", "zone"


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A device or a group, under the name that the model writes.

    A group has ``kinds`` (each a kind, ``kind:class``, or EVERYTHING), with or without an area or a floor.
    """

    name: str
    devices: tuple[Device, ...]
    actions: tuple[Action, ...]
    kinds: tuple[str, ...] = ()
    area: Area | None = None
    floor: Floor | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The devices' ids."""
        return tuple(device.id for device in self.devices)

    @property
    def names(self) -> tuple[str, ...]:
        """What its devices are called, one by one."""
        return tuple(device.name for device in self.devices) if self.is_group else (self.name,)

    @property
    def is_group(self) -> bool:
        """Whether it stands for whatever devices are of its kind there."""
        return bool(self.kinds)

    def limits(self, action: Action) -> Range:
        """The range that covers those of all its devices, for an action that takes a number."""
        ranges = [r for d in self.devices if (r := getattr(capabilities_of(d), action.capability))]
        low, high = min(r.min for r in ranges), max(r.max for r in ranges)
        return Range(min=low, max=high, step=min(r.step for r in ranges), unit=ranges[0].unit)


@dataclass(frozen=True)
class Targets:
    """The targets of one house, in a fixed order, and where its areas are."""

    house: House
    devices: tuple[Target, ...]
    groups: tuple[Target, ...]
    area_of: dict[str, Area] = field(default_factory=dict)
    floor_of: dict[str, Floor] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Target, ...]:
        """Devices first."""
        return self.devices + self.groups

    def area(self, said: str | None) -> Area | None:
        """The area of an id or a name; None if there is none."""
        if said is None:
            return None
        if said in self.area_of:
            return self.area_of[said]
        wanted = said.casefold()
        named = (a for a in self.house.areas if wanted in (n.casefold() for n in (a.name, *a.aliases)))
        return next(named, None)


def find_targets(house: House, words: Words) -> Targets:
    """List what can be said to a house, in the words of its language.

    A device of which several have the name is told apart by its area, and then by its number.
    """
    area_of = {area.id: area for area in house.areas}
    floor_of = {floor.id: floor for floor in house.floors}
    names = _distinct(house.devices, area_of)
    devices = tuple(
        Target(name, (device,), actions_of(device), area=area_of.get(device.area or ""))
        for device, name in zip(house.devices, names, strict=True)
    )
    groups = tuple(_groups(house, words, area_of, set(names)))
    return Targets(house, devices, groups, area_of, floor_of)


def _distinct(devices: Iterable[Device], area_of: dict[str, Area]) -> list[str]:
    devices = tuple(devices)
    names: list[str] = []
    for tell_apart in (False, True):
        names = [
            f"{device.name} ({area_of[device.area].name})"
            if tell_apart and device.area in area_of
            else device.name
            for device in devices
        ]
        if len(set(names)) == len(names):
            return names
    shared = Counter(device.name for device in devices)
    result: list[str] = []
    for device, longer in zip(devices, names, strict=True):
        name = device.name if shared[device.name] == 1 else longer
        result.append(_unused(name, {*result, *(each for each in shared if each != name)}))
    return result


def _unused(name: str, taken: Container[str]) -> str:
    """A name that is not taken: with a number where it is."""
    numbered = (f"{name} {number}" for number in count(2))
    return next(each for each in chain((name,), numbered) if each not in taken)


def kinds_of(device: Device) -> tuple[str, ...]:
    """The kinds that a device is of, the narrowest first: ``cover:curtain``, ``cover``."""
    return (f"{device.kind}:{device.device_class}", device.kind) if device.device_class else (device.kind,)


def _groups(house: House, words: Words, area_of: dict[str, Area], taken: set[str]) -> Iterable[Target]:
    can_act = [device for device in house.devices if actions_of(device) and device.kind not in _READ_ONLY]
    places: list[tuple[Area | None, Floor | None, list[Device]]] = [
        *((area, None, [d for d in can_act if d.area == area.id]) for area in house.areas),
        *((None, floor, [d for d in can_act if _floor_id(d, area_of) == floor.id]) for floor in house.floors),
        (None, None, can_act),
    ]
    for area, floor, members in places:
        place = area.name if area else floor.name if floor else words.house
        by_kind: defaultdict[str, list[Device]] = defaultdict(list)
        for device in members:
            for kind in kinds_of(device):
                by_kind[kind].append(device)
        if len({device.kind for device in members if _switches(device)}) > 1:
            by_kind[EVERYTHING] = [device for device in members if _switches(device)]
        for kind, devices in by_kind.items():
            said = words.everything[0] if kind == EVERYTHING else words.kind(kind, plural=True)
            name = f"{place}: {said}"
            name = _unused(name, taken)
            taken.add(name)
            yield Target(name, tuple(devices), _common(devices, kind), (kind,), area, floor)


def _floor_id(device: Device, area_of: dict[str, Area]) -> str | None:
    area = area_of.get(device.area or "")
    return area.floor if area else None


def _switches(device: Device) -> bool:
    return any(action.id == "off" for action in actions_of(device))


def united(groups: Sequence[Target]) -> Target:
    """One group of several in one place."""
    first = groups[0]
    devices = {device.id: device for group in groups for device in group.devices}
    actions = {action.id: action for group in groups for action in group.actions}
    kinds = tuple(dict.fromkeys(kind for group in groups for kind in group.kinds))
    return Target(
        first.name, tuple(devices.values()), tuple(actions.values()), kinds, first.area, first.floor
    )


def _common(devices: Iterable[Device], kind: str) -> tuple[Action, ...]:
    """What at least one member can do; of everything only what all can."""
    if kind == EVERYTHING:
        return ACTIONS["on"], ACTIONS["off"]
    can = {action.id for device in devices for action in actions_of(device)}
    return tuple(action for action in ACTIONS.values() if action.id in can)
