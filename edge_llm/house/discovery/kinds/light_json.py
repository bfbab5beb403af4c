"""Lights of the JSON schema: one topic for commands and one for states, each with a JSON object."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from edge_llm.contract.house import Capabilities, Range, Scalar
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import STATE, Publish
from edge_llm.house.discovery.kinds.colors import COLORS, Rgb, hue_saturation, name_of, name_of_xy, xy
from edge_llm.house.discovery.parts import Parts, is_number
from edge_llm.house.discovery.templates.functions import MAX_TEXT
from edge_llm.house.discovery.unreadable import Unreadable


def _hs(rgb: Rgb) -> dict[str, float]:
    return dict(zip("hs", hue_saturation(rgb), strict=True))


def _rgb(rgb: Rgb) -> dict[str, float]:
    return dict(zip("rgb", rgb, strict=True))


def _xy(rgb: Rgb) -> dict[str, float]:
    return dict(zip("xy", xy(rgb), strict=True))


_COLOR_MODES: Mapping[str, Callable[[Rgb], dict[str, float]]] = {
    "hs": _hs,
    "xy": _xy,
    "rgb": _rgb,
    "rgbw": lambda rgb: _rgb(rgb) | {"w": 0},
    "rgbww": lambda rgb: _rgb(rgb) | {"c": 0, "w": 0},
}
_WITHOUT_BRIGHTNESS = frozenset({"onoff", "unknown"})
_WORDS: Mapping[Any, str] = {"ON": "on", "OFF": "off"}


def json_light(parts: Parts) -> Capabilities:
    """A light whose commands and states are JSON objects."""
    options = parts.options
    sender = parts.needed("command_topic")
    modes = options.words("supported_color_modes")
    scale = options.number("brightness_scale", 255)
    if scale < 1:
        raise Unreadable("brightness_scale: it is less than 1")
    dims = options.flag("brightness", default=False) or bool(set(modes) - _WITHOUT_BRIGHTNESS)
    # Older announcements have a flag for each way in which a color can be set.
    mode = next((each for each in _COLOR_MODES if each in modes or options.flag(each, default=False)), None)

    def send(**values: Any) -> tuple[Publish, ...]:
        return sender(json.dumps(values, separators=(",", ":")))

    def dim(value: Value) -> tuple[Publish, ...]:
        if not is_number(value):
            return ()
        if value <= 0:
            return send(state="OFF")
        return send(state="ON", brightness=max(1, min(round(scale), round(value / 100 * scale))))

    parts.commands |= {"on": lambda _: send(state="ON"), "off": lambda _: send(state="OFF")}
    parts.reads(STATE, "state_topic", (), lambda text: _state(_read(text).get("state")))
    if dims:
        parts.commands["brightness"] = dim
        parts.reads("brightness", "state_topic", (), lambda text: _percent(_read(text), scale))
    if mode:
        convert = _COLOR_MODES[mode]
        parts.commands["color"] = lambda value: (
            send(state="ON", color=convert(COLORS[value]))
            if isinstance(value, str) and value in COLORS
            else ()
        )
        parts.reads("color", "state_topic", (), lambda text: _color(_read(text)))
    return Capabilities(
        on_off=True, brightness=Range() if dims else None, color=tuple(COLORS) if mode else None
    )


def _read(text: str) -> dict[str, Any]:
    if len(text) > MAX_TEXT:
        return {}
    values = json.loads(text)
    return values if isinstance(values, dict) else {}


def _state(value: Any) -> str | None:
    return _WORDS.get(value) if isinstance(value, str) else None


def _percent(values: Mapping[str, Any], scale: float) -> Scalar:
    value = values.get("brightness")
    if not isinstance(value, int | float) or not 0 <= value <= scale * 2:
        return None
    return min(100, round(value / scale * 100))


def _color(values: Mapping[str, Any]) -> str | None:
    color, mode = values.get("color"), values.get("color_mode")
    if not isinstance(color, dict) or (mode is not None and mode not in _COLOR_MODES):
        return None
    if mode != "xy" and "h" in color and "s" in color:
        return name_of(float(color["h"]), float(color["s"]))
    if "r" in color and "g" in color and "b" in color:
        return name_of(*hue_saturation(tuple(float(color[each]) for each in "rgb")))
    return name_of_xy(float(color["x"]), float(color["y"]))
