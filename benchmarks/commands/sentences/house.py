"""A house of our own in four languages, and sentences for it: compound commands, and unclear ones.

``places.csv`` has its floors and areas, ``devices.csv`` its devices with what they can do and their names
in each language. ``compound.jsonl`` has sentences of two or three acts with the calls that are expected,
by slots in that language; ``unclear.jsonl`` has sentences with ``expect``: ``ask`` (several devices fit,
or nothing says what is meant), ``refuse`` (there is no such device, or it cannot do that), ``speak`` (no
command at all). They are written from language alone: nothing is tuned on them.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_llm.contract.house import Area, Capabilities, Device, Floor, House, Range

LANGUAGES = ("en", "de", "es", "fr")
COMPOUND = Path(__file__).with_name("compound.jsonl")
UNCLEAR = Path(__file__).with_name("unclear.jsonl")
_COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
_VALUES: Mapping[str, Any] = {
    "temperature": Range(min=5, max=30, step=0.5, unit="°C"),
    "color": _COLORS,
    "mode": ("off", "heat", "auto"),
} | {name: Range() for name in ("brightness", "position", "speed", "volume", "humidity")}


@dataclass(frozen=True)
class Unclear:
    """A sentence that must not lead to an act; ``expect`` is ask, refuse or speak."""

    id: str
    language: str
    text: str
    expect: str
    context_area: str | None = None


def read_house(language: str) -> House:
    """Return the house with its names in one of LANGUAGES; floors, areas and devices keep their ids."""
    places = _rows("places.csv")
    return House(
        language=language,
        floors=tuple(Floor(id=row["id"], name=row[language]) for row in places if not row["floor"]),
        areas=tuple(
            Area(id=row["id"], name=row[language], floor=row["floor"]) for row in places if row["floor"]
        ),
        devices=tuple(_device(row, language) for row in _rows("devices.csv")),
    )


def _device(row: Mapping[str, str], language: str) -> Device:
    known: dict[str, Any] = {"class": row["class"]} if row["class"] else {}
    can = {name: _VALUES.get(name, True) for name in row["can"].split()}
    return Device(
        id=row["id"],
        name=row[language],
        kind=row["id"].partition(".")[0],
        area=row["area"] or None,
        capabilities=Capabilities(**can),
        **known,
    )


def read_unclear() -> list[Unclear]:
    """Return the sentences that must not lead to an act."""
    return [Unclear(**json.loads(line)) for line in UNCLEAR.read_text(encoding="utf-8").splitlines()]


def _rows(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))
