"""Simulated devices by their kinds: what each becomes when it is told something.

Values are those of Home Assistant: states in its words, percent, degrees. Knows no topics and no payloads.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

Values = dict[str, Any]
"""``state``, and what else a device has: brightness, color, position, speed, temperature."""
_PERCENT = ("brightness", "position", "speed")
_RGB = {
    "red": (255, 0, 0),
    "orange": (255, 165, 0),
    "yellow": (255, 255, 0),
    "green": (0, 255, 0),
    "turquoise": (64, 224, 208),
    "blue": (0, 0, 255),
    "purple": (128, 0, 128),
    "pink": (255, 192, 203),
    "white": (255, 255, 255),
}


def xy_of(red: float, green: float, blue: float) -> tuple[float, float]:
    """CIE 1931 coordinates of an sRGB color, each part in 0-255: IEC 61966-2-1."""
    parts = (part / 255 for part in (red, green, blue))
    r, g, b = (((p + 0.055) / 1.055) ** 2.4 if p > 0.04045 else p / 12.92 for p in parts)
    x = 0.4124 * r + 0.3576 * g + 0.1805 * b
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = 0.0193 * r + 0.1192 * g + 0.9505 * b
    total = x + y + z
    return (round(x / total, 4), round(y / total, 4)) if total else xy_of(255, 255, 255)


COLORS = {name: xy_of(*rgb) for name, rgb in _RGB.items()}
"""CIE 1931 coordinates of colors by their names."""


class Device:
    """A device: its kind, which is Home Assistant's domain, and its values."""

    kind: ClassVar[str]
    told: ClassVar[Mapping[str, str]] = {}
    """States that it can be told, by the words for them."""

    def __init__(self, **values: Any) -> None:
        """Start with these values."""
        self.values: Values = values

    def obey(self, wanted: Values) -> bool:
        """Become what is wanted, as far as it can; returns whether it moves, and arrives later."""
        states = {"state": self.told[wanted["state"]]} if wanted.get("state") in self.told else {}
        known = {name: value for name, value in wanted.items() if name in self.values and name != "state"}
        self.values |= known | states
        return False

    def arrive(self) -> None:
        """End a movement."""

    def put(self, shown: Values) -> None:
        """Become this by hand; in the values that ``shown`` gives."""
        self.values |= shown

    def shown(self) -> Values:
        """The values as people name them: whole percents."""
        return {name: round(value) if name in _PERCENT else value for name, value in self.values.items()}


class Sensor(Device):
    """A sensor whose state is a temperature."""

    kind = "sensor"


class BinarySensor(Device):
    """A sensor whose state is ``on`` or ``off``; ``measures`` is Home Assistant's device class."""

    kind = "binary_sensor"

    def __init__(self, measures: str, **values: Any) -> None:
        """Start with these values."""
        super().__init__(**values)
        self.measures = measures


class Switch(Device):
    """A plug."""

    kind = "switch"
    told: ClassVar[Mapping[str, str]] = {"on": "on", "off": "off"}

    def obey(self, wanted: Values) -> bool:
        """Switch."""
        if wanted.get("state") == "toggle":
            wanted = wanted | {"state": "off" if self.values["state"] == "on" else "on"}
        return super().obey(wanted)


class Light(Switch):
    """A lamp: a brightness turns it on, a color alone does not."""

    kind = "light"

    def obey(self, wanted: Values) -> bool:
        """Shine."""
        if "brightness" in wanted:
            wanted = {"state": "on" if wanted["brightness"] else "off"} | wanted
            if not wanted["brightness"]:
                del wanted["brightness"]  # it keeps the one that it had
        return super().obey(wanted)

    def put(self, shown: Values) -> None:
        """Become this by hand, with a color by its name."""
        color = {"color": COLORS[shown["color"]]} if "color" in shown else {}
        super().put(shown | color)

    def shown(self) -> Values:
        """Its values, with the nearest color that has a name."""
        values = super().shown()
        if "color" in values:
            x, y = values["color"]
            values["color"] = min(COLORS, key=lambda c: (COLORS[c][0] - x) ** 2 + (COLORS[c][1] - y) ** 2)
        return values


class Fan(Switch):
    """A fan; as with ESPHome a speed alone does not turn it on, and without one it begins at full speed."""

    kind = "fan"

    def obey(self, wanted: Values) -> bool:
        """Blow."""
        super().obey(wanted)
        if self.values["state"] == "on" and not self.values["speed"]:
            self.values["speed"] = 100
        return False


class Lock(Device):
    """A lock."""

    kind = "lock"
    told: ClassVar[Mapping[str, str]] = {"lock": "locked", "unlock": "unlocked"}


class Climate(Device):
    """A thermostat; its state is its mode."""

    kind = "climate"
    told: ClassVar[Mapping[str, str]] = {mode: mode for mode in ("off", "heat", "auto")}
    least, most, step = 5.0, 30.0, 0.5

    def obey(self, wanted: Values) -> bool:
        """Take a mode, and a temperature within its limits."""
        if not self.least <= wanted.get("temperature", self.least) <= self.most:
            return False
        return super().obey(wanted)


class Cover(Device):
    """A blind or a curtain, which takes a moment to move; ``looks`` is Home Assistant's device class."""

    kind = "cover"

    def __init__(self, looks: str, **values: Any) -> None:
        """Start with these values."""
        super().__init__(**values)
        self.looks = looks
        self._target: float = self.values["position"]

    def obey(self, wanted: Values) -> bool:
        """Move, or stop halfway."""
        position = self.values["position"]
        match wanted:
            case {"state": "stop"}:
                if self.values["state"] in ("opening", "closing"):
                    self._target = (position + self._target) / 2
                    self.arrive()
                return False
            case {"state": "open"}:
                self._target = 100
            case {"state": "close"}:
                self._target = 0
            case {"position": target}:
                self._target = min(100, max(0, target))
            case _:
                return False
        if self._target != position:
            self.values["state"] = "opening" if self._target > position else "closing"
        return bool(self._target != position)

    def arrive(self) -> None:
        """Be where it was told to go."""
        self.values |= {"position": self._target, "state": "open" if self._target else "closed"}
