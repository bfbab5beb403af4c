"""Figures: a figure holds one value per round, never a single lucky number."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """Values of one measure, one per round; ``at`` is its place on an axis (prompt tokens, streams)."""

    name: str
    unit: str
    values: tuple[float, ...]
    at: int | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """Median of all rounds."""
        return median(self.values)

    def to_json(self) -> dict[str, Any]:
        """Return median, spread and all values."""
        own = {"name": self.name, "unit": self.unit, "at": self.at, "note": self.note}
        return own | spread(self.values)

    def line(self) -> str:
        """Format one row of a table."""
        label = self.name if self.at is None else f"{self.name} {self.at}"
        low, high = min(self.values), max(self.values)
        note = f"  {self.note}" if self.note else ""
        return f"{label:<34} {self.median:>10.1f}  [{low:.1f} - {high:.1f}] {self.unit}{note}"


class Rounds:
    """Collects values of many measures over the rounds, in the order in which measures first appear."""

    def __init__(self) -> None:
        """Start without values."""
        self._values: dict[tuple[str, str, int | None], list[float]] = {}
        self._notes: dict[tuple[str, str, int | None], str] = {}

    def add(self, name: str, unit: str, value: float, at: int | None = None, note: str = "") -> None:
        """Add one value; the note of the last round replaces earlier ones."""
        self._values.setdefault((name, unit, at), []).append(value)
        self._notes[name, unit, at] = note

    def figures(self) -> list[Figure]:
        """Return all figures so far; the points of each measure are adjacent."""
        names = list(dict.fromkeys(name for name, _, _ in self._values))
        keys = sorted(self._values, key=lambda key: (names.index(key[0]), key[2] or 0))
        return [
            Figure(name, unit, tuple(self._values[name, unit, at]), at, self._notes[name, unit, at])
            for name, unit, at in keys
        ]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return median, minimum and maximum of ``values``, and the values."""
    return {
        "median": round(median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "values": [round(value, 3) for value in values],
    }
