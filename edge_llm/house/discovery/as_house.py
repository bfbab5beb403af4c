"""The house that announced devices make: their areas are those that they name themselves."""

import hashlib
import re
from collections.abc import Mapping

from edge_llm.contract.house import MAX_AREAS, MAX_DEVICES, MAX_NAME, Area, Device, House
from edge_llm.house.discovery.entity import Entity

_AREA, _NAME = "{area}", "{name}"


def house_of(entities: Mapping[str, Entity], language: str, area_pattern: str | None) -> House:
    """The house of devices, without their states.

    ``area_pattern`` says where friendly names have a room in them: ``{area}/{name}`` makes "kitchen/ceiling
    lamp" the ceiling lamp of the kitchen. A room that a device names in another way comes before it. Rooms
    are one by their names without case; the ids of all are the same each time.
    """
    pattern = _compiled(area_pattern) if area_pattern else None
    areas: dict[str, Area] = {}
    devices: list[Device] = []
    for identity in sorted(entities)[:MAX_DEVICES]:
        entity = entities[identity]
        named, name = _split(entity.device.name, pattern)
        area = _area(entity.area or named, areas)
        changes = {"name": name, "area": area.id if area else None, "state": None}
        devices.append(entity.device.model_copy(update=changes))
    return House(language=language, areas=tuple(sorted(areas.values(), key=_by_id)), devices=tuple(devices))


def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern as an expression; None where it has no place for both."""
    if pattern.count(_AREA) != 1 or pattern.count(_NAME) != 1:
        return None
    parts = re.split(r"(\{area\}|\{name\})", pattern)
    groups = {_AREA: "(?P<area>.+?)", _NAME: "(?P<name>.+)"}
    return re.compile("".join(groups.get(part, re.escape(part)) for part in parts))


def _split(name: str, pattern: re.Pattern[str] | None) -> tuple[str | None, str]:
    found = pattern.fullmatch(name) if pattern else None
    if found is None:
        return None, name
    area, rest = (" ".join(found[group].split())[:MAX_NAME] for group in ("area", "name"))
    return (area, rest) if area and rest else (None, name)


def _area(name: str | None, areas: dict[str, Area]) -> Area | None:
    """The area of a name; None where there is none, or no room for one more."""
    if name is None:
        return None
    key = name.casefold()
    if key not in areas and len(areas) < MAX_AREAS:
        areas[key] = Area(id=hashlib.sha256(key.encode()).hexdigest()[:16], name=name)
    return areas.get(key)


def _by_id(area: Area) -> str:
    return area.id
