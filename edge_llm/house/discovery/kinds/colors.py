"""Colors by their names, and the numbers that lights have for them.

The conversion to the CIE 1931 plane is that of Philips' lights, as Home Assistant has it too.
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
    "purple": (128, 0, 128),
    "pink": (255, 105, 180),
    "white": (255, 255, 255),
    "turquoise": (64, 224, 208),
}
"""By name, as red, green and blue of 255."""
HEX = {name: f"#{red:02x}{green:02x}{blue:02x}" for name, (red, green, blue) in COLORS.items()}
_NEAR = 0.4
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
    """The name of the color of a CIE 1931 chromaticity; None where it is none, or none is near.

    By the matrix of sRGB (IEC 61966-2-1) at full brightness; what no screen can show is cut.
    """
    if not (0 <= x <= 1 and 0 < y <= 1):
        return None
    big_x, big_z = x / y, (1 - x - y) / y
    linear = (
        3.2406 * big_x - 1.5372 - 0.4986 * big_z,
        -0.9689 * big_x + 1.8758 + 0.0415 * big_z,
        0.0557 * big_x - 0.2040 + 1.0570 * big_z,
    )
    most = max(linear)
    red, green, blue = (max(0.0, part / most) ** (1 / 2.2) for part in linear)
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return name_of(hue * 360, saturation * 100)


def _place(hue: float, saturation: float) -> tuple[float, float]:
    angle = math.radians(hue)
    return saturation / 100 * math.cos(angle), saturation / 100 * math.sin(angle)


_PLACES = {name: _place(*hue_saturation(rgb)) for name, rgb in COLORS.items()}
