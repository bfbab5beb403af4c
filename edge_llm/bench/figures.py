"""What was measured: a figure is its value in every round, never one lucky number."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """Values of one measure, one a round; ``at`` is a place on its axis (prompt tokens, streams), if any."""

    name: str
    unit: str
    values: tuple[float, ...]
    at: int | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The middle of all rounds."""
        return median(self.values)

    def to_json(self) -> dict[str, Any]:
        """Median and spread, and every value behind them."""
        own = {"name": self.name, "unit": self.unit, "at": self.at, "note": self.note}
        return own | spread(self.values)

    def line(self) -> str:
        """One row of a table."""
        label = self.name if self.at is None else f"{self.name} {self.at}"
        low, high = min(self.values), max(self.values)
        note = f"  {self.note}" if self.note else ""
        return f"{label:<34} {self.median:>10.1f}  [{low:.1f} - {high:.1f}] {self.unit}{note}"


class Rounds:
    """Collects values of many measures over the rounds, in the order in which measures first appear."""

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self._values: dict[tuple[str, str, int | None], list[float]] = {}
        self._notes: dict[tuple[str, str, int | None], str] = {}

    def add(self, name: str, unit: str, value: float, at: int | None = None, note: str = "") -> None:
        """One value more; the note of the last round counts."""
        self._values.setdefault((name, unit, at), []).append(value)
        self._notes[name, unit, at] = note

    def figures(self) -> list[Figure]:
        """Everything so far, each measure's points side by side."""
        names = list(dict.fromkeys(name for name, _, _ in self._values))
        keys = sorted(self._values, key=lambda key: (names.index(key[0]), key[2] or 0))
        return [
            Figure(name, unit, tuple(self._values[name, unit, at]), at, self._notes[name, unit, at])
            for name, unit, at in keys
        ]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, least and greatest of ``values``, and these."""
    return {
        "median": round(median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "values": [round(value, 3) for value in values],
    }
