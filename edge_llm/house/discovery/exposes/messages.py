"""What zigbee2mqtt is sent and what it sends, as data: commands and readings can be compared and digested."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from edge_llm.contract.house import Scalar
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import Publish
from edge_llm.house.discovery.kinds.colors import name_of, name_of_xy
from edge_llm.house.language.numbers import plain

_MAX_STATE_LENGTH = 2**16
"""Maximum characters of a state; a longer one says nothing."""
_MAX_TEXT = 255
_MAX_NUMBER = 1e12


def body(values: Mapping[str, Any]) -> str:
    """The payload that sets ``values``."""
    return json.dumps(values, separators=(",", ":"))


@lru_cache(maxsize=1)  # several readings of one message
def state_of(text: str) -> dict[str, Any]:
    """The values in a device's state; none of what is no JSON object."""
    if len(text) > _MAX_STATE_LENGTH:
        return {}
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def number(value: object) -> float | None:
    """A finite number of a sensible size; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < _MAX_NUMBER else None


@dataclass(frozen=True, slots=True)
class Scale:
    """The whole numbers from ``zero`` to ``full`` of a device, for 0 to 100 percent."""

    zero: int
    full: int

    def level(self, percent: float) -> int:
        """The nearest level; more than 0 percent is never the one of 0."""
        above = math.floor((self.full - self.zero) * percent / 100 + 0.5)
        return self.zero + max(above, 1 if percent > 0 else 0)

    def percent(self, level: float) -> int:
        """The percent of a level."""
        inside = min(self.full, max(self.zero, level))
        return round((inside - self.zero) / (self.full - self.zero) * 100)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Sends the same payload, whatever the value."""

    topic: str
    payload: str

    def __call__(self, _value: Value) -> tuple[Publish, ...]:
        """The message."""
        return (Publish(self.topic, self.payload),)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Sends the payload of a name."""

    topic: str
    payloads: tuple[tuple[str, str], ...]

    def __call__(self, value: Value) -> tuple[Publish, ...]:
        """The message; none for a name that the device does not have."""
        return tuple(Publish(self.topic, payload) for name, payload in self.payloads if name == value)


@dataclass(frozen=True, slots=True)
class Percent:
    """Sends a level, or the name of one where they have ``names``, the lowest first.

    ``off`` is the payload of 0 percent where that is no level.
    """

    topic: str
    key: str
    scale: Scale
    names: tuple[str, ...] = ()
    off: str | None = None

    def __call__(self, value: Value) -> tuple[Publish, ...]:
        """The message; none for what is no percentage."""
        percent = number(value)
        if percent is None or not 0 <= percent <= 100:
            return ()
        if percent == 0 and self.off is not None:
            return (Publish(self.topic, self.off),)
        level = self.scale.level(percent)
        if not self.names:
            return (Publish(self.topic, body({self.key: level})),)
        return (Publish(self.topic, body({self.key: self.names[level - 1]})),) if level else ()


@dataclass(frozen=True, slots=True)
class Degrees:
    """Sends a number as it is, within its range."""

    topic: str
    key: str
    low: float
    high: float

    def __call__(self, value: Value) -> tuple[Publish, ...]:
        """The message; none for a number out of range."""
        degrees = number(value)
        if degrees is None or not self.low <= degrees <= self.high:
            return ()
        return (Publish(self.topic, body({self.key: plain(float(degrees))})),)


@dataclass(frozen=True, slots=True)
class WordOf:
    """Reads a word from a value that stands for it."""

    key: str
    words: tuple[tuple[Scalar, str], ...]

    def __call__(self, text: str) -> Scalar:
        """The word; None for any other value."""
        value = state_of(text).get(self.key)
        same = (word for raw, word in self.words if type(raw) is type(value) and raw == value)
        return next(same, None)


@dataclass(frozen=True, slots=True)
class TextOf:
    """Reads a text."""

    key: str

    def __call__(self, text: str) -> Scalar:
        """The text; None for what is none, or is long."""
        value = state_of(text).get(self.key)
        return value if isinstance(value, str) and 0 < len(value) <= _MAX_TEXT else None


@dataclass(frozen=True, slots=True)
class NumberOf:
    """Reads a number."""

    key: str

    def __call__(self, text: str) -> Scalar:
        """The number."""
        return number(state_of(text).get(self.key))


@dataclass(frozen=True, slots=True)
class PercentOf:
    """Reads a level, or the name of one, as percent."""

    key: str
    scale: Scale
    names: tuple[str, ...] = ()

    def __call__(self, text: str) -> Scalar:
        """The percent."""
        value = state_of(text).get(self.key)
        if self.names:
            return self.scale.percent(self.names.index(value) + 1) if value in self.names else None
        level = number(value)
        return None if level is None else self.scale.percent(level)


@dataclass(frozen=True, slots=True)
class ColorOf:
    """Reads the name of a color; ``mode_key`` is where a light says that it shows a white."""

    key: str
    mode_key: str

    def __call__(self, text: str) -> Scalar:
        """The name of the nearest color."""
        state = state_of(text)
        if state.get(self.mode_key) == "color_temp":
            return "white"
        color = state.get(self.key)
        if not isinstance(color, dict):
            return None
        hue, saturation = number(color.get("hue")), number(color.get("saturation"))
        if hue is not None and saturation is not None:
            return name_of(hue, saturation)
        x, y = number(color.get("x")), number(color.get("y"))
        return None if x is None or y is None else name_of_xy(x, y)


@dataclass(frozen=True, slots=True)
class CoverState:
    """Reads whether a cover is open, and whether it moves where it says so."""

    key: str
    position_key: str | None = None
    moving_key: str | None = None
    moves: tuple[tuple[str, str], ...] = ()

    def __call__(self, text: str) -> Scalar:
        """``open``, ``closed``, ``opening`` or ``closing``."""
        state = state_of(text)
        position = number(state.get(self.position_key)) if self.position_key else None
        said = _word(state.get(self.key), {"OPEN": "open", "CLOSE": "closed"})
        # What it says of its motor may be of a movement that has ended.
        at_end = (position, said) in ((0, "closed"), (100, "open"))
        if self.moving_key and not at_end and (move := _word(state.get(self.moving_key), dict(self.moves))):
            return move
        if position is not None:
            return "open" if position > 0 else "closed"
        return said


def _word(value: object, words: Mapping[str, str]) -> str | None:
    return words.get(value) if isinstance(value, str) else None


def is_online(text: str) -> Scalar:
    """Whether an availability says ``online``, plain or as JSON."""
    state = state_of(text).get("state", text)
    return {"online": True, "offline": False}.get(state) if isinstance(state, str) else None
