"""The names of colors that a light can be told, and the name of the color that it shows."""

import colorsys
import math

HEX = {
    "red": "#ff0000",
    "green": "#00ff00",
    "blue": "#0000ff",
    "yellow": "#ffff00",
    "orange": "#ffa500",
    "purple": "#800080",
    "pink": "#ffc0cb",
    "white": "#ffffff",
    "turquoise": "#40e0d0",
}
"""Colors as CSS and Home Assistant have them, but for green, which is dark there."""


def name_of_hs(hue: float, saturation: float) -> str:
    """The name of the nearest color; ``hue`` in degrees, ``saturation`` in percent."""
    place = _on_disc(hue / 360, saturation / 100)
    return min(_PLACES, key=lambda name: math.dist(_PLACES[name], place))


def name_of_xy(x: float, y: float) -> str | None:
    """The name of the color nearest to a CIE 1931 chromaticity; None where it is none.

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
    return name_of_hs(hue * 360, saturation * 100)


def _on_disc(hue: float, saturation: float) -> tuple[float, float]:
    return math.cos(hue * math.tau) * saturation, math.sin(hue * math.tau) * saturation


def _place(color: str) -> tuple[float, float]:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return _on_disc(hue, saturation)


_PLACES = {name: _place(color) for name, color in HEX.items()}
