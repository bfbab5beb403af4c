"""Colors by their names, and the numbers that lights have for them.

The conversion to and from the CIE 1931 plane is that of Philips' lights, as Home Assistant has it too.
"""

import colorsys
import math
from collections.abc import Mapping

Rgb = tuple[int, int, int]
COLORS: Mapping[str, Rgb] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "orange": (255, 165, 0),
    "purple": (128, 0, 255),
    "pink": (255, 105, 180),
    "white": (255, 255, 255),
    "turquoise": (64, 224, 208),
}
"""By name, as red, green and blue of 255."""
_NEAR = 0.25
"""Greatest distance of a color from one that has a name, in a plane in which saturation goes up to 1."""


def hue_saturation(rgb: tuple[float, ...]) -> tuple[float, float]:
    """Hue in degrees and saturation in percent."""
    hue, saturation, _ = colorsys.rgb_to_hsv(*(channel / 255 for channel in rgb[:3]))
    return round(hue * 360, 3), round(saturation * 100, 3)


def xy(rgb: Rgb) -> tuple[float, float]:
    """Place in the CIE 1931 plane."""
    red, green, blue = (
        ((value + 0.055) / 1.055) ** 2.4 if (value := channel / 255) > 0.04045 else value / 12.92
        for channel in rgb
    )
    x = red * 0.664511 + green * 0.154324 + blue * 0.162028
    y = red * 0.283881 + green * 0.668433 + blue * 0.047685
    z = red * 0.000088 + green * 0.072310 + blue * 0.986039
    total = x + y + z
    return round(x / total, 3), round(y / total, 3)


def name_of(hue: float, saturation: float) -> str | None:
    """The name of the color that is nearest; None where none is near."""
    here = _place(hue, saturation)
    distance, name = min((math.dist(here, place), name) for name, place in _PLACES.items())
    return name if distance <= _NEAR else None


def name_of_xy(x: float, y: float) -> str | None:
    """The name of the color at a place in the CIE 1931 plane."""
    distance, name = min((math.dist((x, y), place), name) for name, place in _IN_PLANE.items())
    return name if distance <= _NEAR / 2 else None


def _place(hue: float, saturation: float) -> tuple[float, float]:
    angle = math.radians(hue)
    return saturation / 100 * math.cos(angle), saturation / 100 * math.sin(angle)


_PLACES = {name: _place(*hue_saturation(rgb)) for name, rgb in COLORS.items()}
_IN_PLANE = {name: xy(rgb) for name, rgb in COLORS.items()}
