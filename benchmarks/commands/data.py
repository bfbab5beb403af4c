"""Reads houses and sentences of the Home Assistant intents tests, as DATA's README describes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.commands.resolve import Home, Slots
from edge_llm.contract.house import Area, Device, Floor, House
from edge_llm.errors import EdgeLlmError

LANGUAGES = ("en", "de", "es", "fr", "nl", "zh")
CORE_INTENTS = frozenset(
    {
        "HassTurnOn",
        "HassTurnOff",
        "HassLightSet",
        "HassClimateSetTemperature",
        "HassSetPosition",
        "HassSetVolume",
        "HassMediaPause",
        "HassMediaUnpause",
        "HassMediaNext",
        "HassMediaPrevious",
        "HassVacuumStart",
        "HassVacuumReturnToBase",
    }
)
"""The intents that are scored: actions on devices."""


@dataclass(frozen=True)
class Sentence:
    """A sentence, the room that it was said in, and the calls that are expected: intents with slots."""

    id: str
    language: str
    text: str
    calls: tuple[tuple[str, Slots], ...]
    context_area: str | None = None


def read_home(path: Path) -> Home:
    """Read ``house-LL.json`` as a house.

    An entity id that stands there twice gets a suffix the second time; both count as one entity.

    Raises:
        EdgeLlmError: it is no such file.
    """
    try:
        return to_home(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EdgeLlmError(
            f"{path.name} is no house of DATA's README ({type(error).__name__}): see there"
        ) from error


def to_home(found: Mapping[str, Any]) -> Home:
    """Make a house of what a file of the intents tests has; floors and areas have their names as ids."""
    areas = {area["name"]: area.get("floor") for area in found["areas"]}
    floors = dict.fromkeys([*found["floors"], *filter(None, areas.values())])
    same: dict[str, str] = {}
    devices = []
    for entity in found["entities"]:
        own = its = entity["id"]
        while its in same:
            its += "_2"
        same[its] = own
        devices.append(_device(its, entity))
    house = House(
        language=found["language"],
        floors=tuple(Floor(id=name, name=name) for name in floors),
        areas=tuple(Area(id=name, name=name, floor=floor) for name, floor in areas.items()),
        devices=tuple(devices),
    )
    return Home(house, same)


def _device(its: str, entity: Mapping[str, Any]) -> Device:
    state = entity.get("state")
    known: dict[str, Any] = {"class": entity["device_class"]} if entity.get("device_class") else {}
    return Device(
        id=its,
        name=entity["name"],
        kind=entity["domain"],
        area=entity.get("area"),
        state=state["out"] if isinstance(state, Mapping) else state,
        **known,
    )


def read_sentences(path: Path) -> list[Sentence]:
    """Read JSON lines: those of the intents tests, with ``intent`` and ``slots``, or ours, with ``calls``.

    Raises:
        EdgeLlmError: it is no such file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_sentence(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EdgeLlmError(f"{path.name} has lines of another form ({type(error).__name__})") from error


def _sentence(line: Mapping[str, Any]) -> Sentence:
    calls: Sequence[Mapping[str, Any]] = line.get("calls", [line])
    return Sentence(
        line["id"],
        line["language"],
        line["text"],
        tuple((call["intent"], call["slots"]) for call in calls),
        line.get("context_area"),
    )


def half_of(data: Path, half: str | None, language: str) -> Path | None:
    """Return the file of a language's sentences: of that half, or of the one that is there, dev first."""
    halves = (half,) if half else ("dev", "test")
    found = (data / f"{name}-{language}.jsonl" for name in halves)
    return next((path for path in found if path.exists()), None)
