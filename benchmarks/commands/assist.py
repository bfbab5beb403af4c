"""Reads ``assist-mini`` and ``assist`` of home-assistant-datasets: homes, sentences and expected states.

The layout is https://github.com/allenporter/home-assistant-datasets: beside each ``_fixtures.yaml`` with
``areas``, ``devices`` and ``entities`` stand files of ``tests``, each with ``sentences`` and, if it has them,
``setup``, ``expect_changes``, ``ignore_changes`` and ``context_device``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.commands.resolve import Home
from benchmarks.commands.simulate import States, initial_states
from edge_llm.contract.house import Area, Capabilities, Device, Floor, House, Range
from edge_llm.errors import EdgeLlmError

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
_FEATURES: Mapping[str, Mapping[str, str]] = {
    "climate": {"TURN_ON": "on_off", "TARGET_TEMPERATURE": "temperature", "TARGET_HUMIDITY": "humidity"},
    "cover": {"OPEN": "open_close", "CLOSE": "open_close", "STOP": "stop", "SET_POSITION": "position"},
    "fan": {"SET_SPEED": "speed"},
    "media_player": {
        "PLAY": "play",
        "PAUSE": "play",
        "NEXT_TRACK": "next",
        "PREVIOUS_TRACK": "next",
        "VOLUME_SET": "volume",
        "TURN_ON": "on_off",
        "TURN_OFF": "on_off",
    },
    "todo": {"CREATE_TODO_ITEM": "add_item"},
    "vacuum": {"START": "start", "RETURN_HOME": "dock"},
    "valve": {"OPEN": "open_close", "CLOSE": "open_close", "STOP": "stop", "SET_POSITION": "position"},
}
"""Capabilities by Home Assistant's features of a domain."""
_ALWAYS: Mapping[str, str] = {
    "button": "press",
    "fan": "on_off",
    "humidifier": "on_off",
    "input_boolean": "on_off",
    "light": "on_off",
    "lock": "lock",
    "scene": "activate",
    "script": "activate",
    "siren": "on_off",
    "switch": "on_off",
}
_RANGES = frozenset({"brightness", "position", "speed", "volume", "humidity"})
_NAMELESS_MODES = frozenset({"onoff", "unknown"})
_SENSORS = frozenset({"binary_sensor", "sensor", "weather", "calendar", "person", "device_tracker"})


@dataclass(frozen=True)
class Task:
    """A sentence, the states before it, and what shall have changed after it."""

    id: str
    text: str
    home: Home
    before: States
    changes: Mapping[str, Any] = field(default_factory=dict)
    ignored: Mapping[str, list[str]] = field(default_factory=dict)
    context_area: str | None = None


def read_tasks(directory: Path) -> list[Task]:
    """Read all tests under a directory, in the order of their files' names.

    Raises:
        EdgeLlmError: a file has another form.
    """
    tasks: list[Task] = []
    for fixtures in sorted(directory.rglob("_fixtures.yaml")):
        for path in sorted(fixtures.parent.glob("*.yaml")):
            if path != fixtures:
                try:
                    tasks += _tests(path, _read(fixtures), _read(path))
                except (yaml.YAMLError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
                    where = path.relative_to(directory)
                    raise EdgeLlmError(
                        f"{where} is not of home-assistant-datasets' form ({type(error).__name__})"
                    ) from error
    return tasks


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _tests(path: Path, fixtures: Any, record: Any) -> Iterator[Task]:
    for number, test in enumerate(record.get("tests") or ()):
        entities = _set_up(fixtures["entities"], test.get("setup") or {})
        states = initial_states(entities)
        home = Home(_house(fixtures, entities, states))
        areas = {device["id"]: device.get("area") for device in fixtures.get("devices") or ()}
        for sentence in test["sentences"]:
            yield Task(
                f"{path.parent.name}/{path.stem}-{number}",
                sentence,
                home,
                states,
                test.get("expect_changes") or {},
                test.get("ignore_changes") or {},
                areas.get(test.get("context_device")),
            )


def _set_up(entities: Any, setup: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the fixtures' entities with a test's own states and attributes."""
    found = []
    for entity in entities:
        own = setup.get(entity["id"]) or {}
        attributes = {**(entity.get("attributes") or {}), **(own.get("attributes") or {})}
        state = own.get("state") if own.get("state") is not None else entity.get("state")
        found.append({**entity, "state": state, "attributes": attributes})
    return found


def _house(fixtures: Any, entities: list[dict[str, Any]], states: States) -> House:
    areas = fixtures.get("areas") or ()
    floors = dict.fromkeys(area["floor"] for area in areas if area.get("floor"))
    return House(
        floors=tuple(Floor(id=floor, name=str(floor).replace("_", " ")) for floor in floors),
        areas=tuple(Area(id=area["id"], name=area["name"], floor=area.get("floor")) for area in areas),
        devices=tuple(_device(entity, states[entity["id"]]) for entity in entities),
    )


def _device(entity: dict[str, Any], state: Mapping[str, Any]) -> Device:
    kind, attributes = entity["id"].partition(".")[0], entity["attributes"]
    its_class = _last_word(attributes.get("device_class"))
    known: dict[str, Any] = {"class": its_class} if its_class else {}
    shown = {name: value for name, value in state.items() if isinstance(value, str | int | float | bool)}
    return Device(
        id=entity["id"],
        name=entity["name"],
        kind=kind,
        area=entity.get("area"),
        state=str(shown.pop("state")),
        attributes=shown,
        capabilities=capabilities(kind, attributes),
        **known,
    )


def capabilities(kind: str, attributes: Mapping[str, Any]) -> Capabilities | None:
    """Return what an entity can do by its attributes; None, the usual of its kind, if they do not say."""
    if kind in _SENSORS:
        return Capabilities()
    able = {_ALWAYS[kind]} if kind in _ALWAYS else set()
    known = _FEATURES.get(kind, {})
    able |= {known[word] for word in _features(attributes) if word in known}
    found: dict[str, Any] = {name: Range() if name in _RANGES else True for name in able}
    if "temperature" in found:
        least, most = attributes.get("min_temp", 7), attributes.get("max_temp", 35)
        found["temperature"] = Range(min=least, max=most, step=0.5, unit="°C")
    if kind == "light":
        found |= _light(attributes)
    if kind == "climate" and attributes.get("hvac_modes"):
        found["mode"] = tuple(filter(None, map(_last_word, attributes["hvac_modes"])))
    if kind in ("select", "input_select") and attributes.get("options"):
        found["option"] = tuple(map(str, attributes["options"]))
    return Capabilities(**found) if found else None


def _features(attributes: Mapping[str, Any]) -> set[str]:
    """The last words of ``cover.CoverEntityFeature.OPEN`` and the like."""
    return {str(feature).rpartition(".")[2] for feature in attributes.get("supported_features") or ()}


def _light(attributes: Mapping[str, Any]) -> dict[str, Any]:
    modes = set(map(_last_word, attributes.get("supported_color_modes") or ())) - _NAMELESS_MODES
    found: dict[str, Any] = {"brightness": Range()} if modes else {}
    if modes - {"brightness", "color_temp", "white"}:
        found["color"] = COLORS
    return found


def _last_word(value: Any) -> str | None:
    """``curtain`` of ``cover.CoverDeviceClass.CURTAIN``."""
    return str(value).rpartition(".")[2].lower() if value else None
