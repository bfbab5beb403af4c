"""Merges the houses of several sources into one; knows nothing of topics and payloads.

What two sources say differently is as the one of higher rank says it. A thing can be one with a thing of
another source only: who lists two means two. Where a name fits several, they stay apart.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from edge_llm.contract.house import (
    MAX_ALIASES,
    MAX_AREAS,
    MAX_CHOICES,
    MAX_DEVICES,
    MAX_FLOORS,
    MAX_ID,
    Area,
    Capabilities,
    Device,
    Floor,
    House,
)

Thing = TypeVar("Thing", Floor, Area, Device)
Key = Callable[[Thing], Hashable | None]
"""What two things have in common if they are one; None of a thing that this cannot tell."""
LeftOut = Counter[str]
"""Number of things that found no room, by what they are."""


@dataclass(frozen=True)
class Merged:
    """One house, and by source what it lacks of it, in words without names."""

    house: House | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


def merge(houses: Mapping[str, House]) -> Merged:
    """Merge the houses of sources, given in the order of their rank.

    Floors and areas are one by name. Devices are one by ``unique_id``, else by name and area, and only if
    they are of one kind and of no different class: a lock never counts as the light that has its name.
    An id that another thing has already becomes ``SOURCE:ID``.
    """
    if not houses:
        return Merged()
    first, *others = houses.values()
    if not others:
        return Merged(first.model_copy(update={"source": None}))
    merger = _Merger()
    for source, house in houses.items():
        merger.add(source, house)
    language = next((house.language for house in houses.values() if house.devices), first.language)
    return Merged(merger.house(language), merger.left_out())


def normalised(name: str) -> str:
    """A name as it is compared: without case, with single spaces."""
    return " ".join(name.casefold().split())


class _Merger:
    """A house in progress."""

    def __init__(self) -> None:
        self._floors = _Things[Floor](MAX_FLOORS, (lambda floor: normalised(floor.name),), _unite_floors)
        by_name = (lambda area: normalised(area.name), lambda area: (normalised(area.name), area.floor))
        self._areas = _Things[Area](MAX_AREAS, by_name, _unite_areas)
        self._devices = _Things[Device](
            MAX_DEVICES,
            (
                lambda device: device.unique_id and (device.kind, device.unique_id),
                lambda device: (device.kind, normalised(device.name), device.area),
            ),
            _unite_devices,
        )
        self._left_out: defaultdict[str, LeftOut] = defaultdict(Counter)

    def add(self, source: str, house: House) -> None:
        """Add what ``source`` says; it ranks behind those before it."""
        left_out = self._left_out[source]
        floor = self._floors.add(source, house.floors, left_out)
        areas = [
            area if floor.get(area.floor) == area.floor else _with(area, floor=floor.get(area.floor))
            for area in house.areas
        ]
        area = self._areas.add(source, areas, left_out)
        devices = [
            device if area.get(device.area) == device.area else _with(device, area=area.get(device.area))
            for device in house.devices
        ]
        self._devices.add(source, devices, left_out)

    def house(self, language: str) -> House:
        """The house, checked like any other."""
        return House(
            language=language,
            floors=tuple(self._floors.by_id.values()),
            areas=tuple(self._areas.by_id.values()),
            devices=tuple(self._devices.by_id.values()),
        )

    def left_out(self) -> dict[str, str]:
        """What it lacks, by source."""
        return {
            source: "left out: " + ", ".join(f"{number} {what}" for what, number in counts.items())
            for source, counts in self._left_out.items()
            if counts
        }


class _Things(Generic[Thing]):
    """The floors, areas or devices of a house in progress, by id."""

    def __init__(
        self, limit: int, keys: Sequence[Key[Thing]], unite: Callable[[Thing, Thing, LeftOut], Thing]
    ) -> None:
        """``keys`` tell which are one, the surest first; ``unite`` makes one of two."""
        self.by_id: dict[str, Thing] = {}
        self._limit = limit
        self._keys: Sequence[Key[Thing]] = keys
        self._unite: Callable[[Thing, Thing, LeftOut], Thing] = unite

    def add(self, source: str, things: Sequence[Thing], left_out: LeftOut) -> dict[str | None, str]:
        """Add the things of one source; returns the id that each has now, by its id there."""
        same = self._find(things)
        ids: dict[str | None, str] = {}
        for thing in things:
            if ours := same.get(thing.id):
                self.by_id[ours] = self._unite(self.by_id[ours], thing, left_out)
                ids[thing.id] = ours
            elif new := self._free_id(source, thing, left_out):
                self.by_id[new] = thing if new == thing.id else _with(thing, id=new)
                ids[thing.id] = new
        return ids

    def _find(self, things: Sequence[Thing]) -> dict[str, str]:
        """Which of ours each thing is, if any: by its id there."""
        same: dict[str, str] = {}
        taken: set[str] = set()
        if not self.by_id:
            return same
        for key in self._keys:
            ours = _alone(key, (thing for own, thing in self.by_id.items() if own not in taken))
            theirs = _alone(key, (thing for thing in things if thing.id not in same))
            for value, thing in theirs.items():
                if (own := ours.get(value)) and _may_be_one(own, thing):
                    same[thing.id] = own.id
                    taken.add(own.id)
        return same

    def _free_id(self, source: str, thing: Thing, left_out: LeftOut) -> str | None:
        """An id for a new thing; None where there is no room for it."""
        what = f"{type(thing).__name__.lower()}s"
        if len(self.by_id) >= self._limit:
            left_out[f"{what} (a house has at most {self._limit})"] += 1
            return None
        new = thing.id
        while new in self.by_id:
            new = f"{source}:{new}"
        if len(new) > MAX_ID:
            left_out[f"{what} (another source has this long id, too)"] += 1
            return None
        return new


def _alone(key: Key[Thing], things: Iterable[Thing]) -> dict[Hashable, Thing]:
    """The things that no other has the key of, by key."""
    found: defaultdict[Hashable, list[Thing]] = defaultdict(list)
    for thing in things:
        if (value := key(thing)) is not None:
            found[value].append(thing)
    return {value: those[0] for value, those in found.items() if len(those) == 1}


def _may_be_one(ours: Thing, theirs: Thing) -> bool:
    if not isinstance(ours, Device) or not isinstance(theirs, Device):
        return True
    return None in (ours.device_class, theirs.device_class) or ours.device_class == theirs.device_class


def _with(thing: Thing, **fields: object) -> Thing:
    return thing.model_copy(update=fields)


def _unite_floors(ours: Floor, theirs: Floor, left_out: LeftOut) -> Floor:
    return _with(ours, aliases=_aliases(ours, theirs, left_out))


def _unite_areas(ours: Area, theirs: Area, left_out: LeftOut) -> Area:
    return _with(ours, aliases=_aliases(ours, theirs, left_out), floor=ours.floor or theirs.floor)


def _unite_devices(ours: Device, theirs: Device, left_out: LeftOut) -> Device:
    """What a source leaves open is as the other says it; a state and its attributes are of one source."""
    stated = theirs if ours.state is None else ours
    return _with(
        ours,
        aliases=_aliases(ours, theirs, left_out),
        device_class=ours.device_class or theirs.device_class,
        area=ours.area or theirs.area,
        unique_id=ours.unique_id or theirs.unique_id,
        capabilities=_capabilities(ours.capabilities, theirs.capabilities, left_out),
        state=stated.state,
        attributes=stated.attributes or ours.attributes,
    )


def _aliases(ours: Thing, theirs: Thing, left_out: LeftOut) -> tuple[str, ...]:
    """The other names of both: the name that theirs has is one, where it is not the same."""
    names: dict[str, str] = {}
    for name in (*ours.aliases, theirs.name, *theirs.aliases):
        names.setdefault(normalised(name), name)
    names.pop(normalised(ours.name), None)
    return _at_most(MAX_ALIASES, tuple(names.values()), "aliases", left_out)


def _capabilities(
    ours: Capabilities | None, theirs: Capabilities | None, left_out: LeftOut
) -> Capabilities | None:
    """What either says that the device can do; ranges are as ours says."""
    if ours is None or theirs is None:
        return ours or theirs
    united: dict[str, object] = {}
    for name in Capabilities.model_fields:
        mine, other = getattr(ours, name), getattr(theirs, name)
        if isinstance(mine, tuple) and other:
            known = {normalised(word) for word in mine}
            new = [word for word in other if normalised(word) not in known]
            united[name] = _at_most(MAX_CHOICES, (*mine, *new), f"values of {name}", left_out)
        else:
            united[name] = mine or other
    return ours.model_copy(update=united)


def _at_most(limit: int, names: tuple[str, ...], what: str, left_out: LeftOut) -> tuple[str, ...]:
    if len(names) > limit:
        left_out[f"{what} (at most {limit} of one thing)"] += len(names) - limit
    return names[:limit]
