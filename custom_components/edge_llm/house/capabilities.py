"""What an entity can do, from its features and attributes, as the house on the wire has it.

Imports nothing of Home Assistant: the numbers are those of its ``…EntityFeature`` enumerations.
"""

from collections.abc import Callable, Mapping
from typing import Any

Attributes = Mapping[str, Any]
Capabilities = dict[str, Any]
COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "white", "turquoise")
"""Names of colors that are understood in every language of the node, and that HassLightSet takes."""
_COLOR_MODES = {"hs", "xy", "rgb", "rgbw", "rgbww"}
_MODES_WITHOUT_BRIGHTNESS = {"onoff", "unknown"}
_PERCENT = {"min": 0, "max": 100, "step": 1, "unit": "%"}
_MOST_CHOICES = 100
_LONGEST_NAME = 100


def capabilities_of(domain: str, attributes: Attributes, temperature_unit: str = "°C") -> Capabilities:
    """What an entity can do; empty where it only has a state."""
    describe = _BY_DOMAIN.get(domain)
    return describe(attributes, temperature_unit) if describe else {}


def clean_name(name: object) -> str:
    """A name as the wire takes it: one line, no control characters, not too long; may be empty."""
    printable = "".join(" " if ord(each) < 32 or ord(each) == 127 else each for each in str(name))
    return " ".join(printable.split())[:_LONGEST_NAME].strip()


def _has(attributes: Attributes, *features: int) -> bool:
    supported = attributes.get("supported_features") or 0
    return all(int(supported) & feature for feature in features)


def _choices(*lists: object) -> Capabilities | list[str] | None:
    names = (clean_name(each) for names in lists if isinstance(names, list | tuple) for each in names)
    return list(dict.fromkeys(filter(None, names)))[:_MOST_CHOICES] or None


def _range(attributes: Attributes, low: str, high: str, step: object, unit: str) -> Capabilities | None:
    least, most = attributes.get(low), attributes.get(high)
    if not isinstance(least, int | float) or not isinstance(most, int | float) or least >= most:
        return None
    return {"min": least, "max": most, "step": step if _is_step(step) else 0.5, "unit": unit}


def _is_step(step: object) -> bool:
    return isinstance(step, int | float) and step > 0


def _set(**capabilities: object) -> Capabilities:
    """The capabilities that are there."""
    return {name: value for name, value in capabilities.items() if value}


def _switch(_: Attributes, __: str) -> Capabilities:
    return {"on_off": True}


def _light(attributes: Attributes, _: str) -> Capabilities:
    modes = {str(mode) for mode in attributes.get("supported_color_modes") or ()}
    return _set(
        on_off=True,
        brightness=modes - _MODES_WITHOUT_BRIGHTNESS and _PERCENT,
        color=modes & _COLOR_MODES and list(COLORS),
    )


def _fan(attributes: Attributes, _: str) -> Capabilities:
    return _set(
        on_off=_has(attributes, 16, 32),
        speed=_has(attributes, 1) and _PERCENT,
        mode=_has(attributes, 8) and _choices(attributes.get("preset_modes")),
    )


def _cover(attributes: Attributes, _: str) -> Capabilities:
    """Of a cover or a valve, whose features have the same numbers."""
    return _set(
        open_close=_has(attributes, 1, 2),
        position=_has(attributes, 4) and _PERCENT,
        stop=_has(attributes, 8),
    )


def _lock(_: Attributes, __: str) -> Capabilities:
    return {"lock": True}


def _climate(attributes: Attributes, unit: str) -> Capabilities:
    step = attributes.get("target_temp_step")
    presets = attributes.get("preset_modes") if _has(attributes, 16) else ()
    return _set(
        on_off=_has(attributes, 128, 256),
        temperature=_has(attributes, 1) and _range(attributes, "min_temp", "max_temp", step, unit),
        mode=_choices(attributes.get("hvac_modes"), presets),
    )


def _water_heater(attributes: Attributes, unit: str) -> Capabilities:
    step = attributes.get("target_temp_step")
    return _set(
        on_off=_has(attributes, 8),
        temperature=_has(attributes, 1) and _range(attributes, "min_temp", "max_temp", step, unit),
        mode=_has(attributes, 2) and _choices(attributes.get("operation_list")),
    )


def _humidifier(attributes: Attributes, _: str) -> Capabilities:
    return _set(
        on_off=True,
        humidity=_range(attributes, "min_humidity", "max_humidity", 1, "%"),
        mode=_has(attributes, 1) and _choices(attributes.get("available_modes")),
    )


def _media_player(attributes: Attributes, _: str) -> Capabilities:
    return _set(
        on_off=_has(attributes, 128, 256),
        play=_has(attributes, 1, 16384),
        next=_has(attributes, 16, 32),
        volume=_has(attributes, 4) and _PERCENT,
        option=_has(attributes, 2048) and _choices(attributes.get("source_list")),
    )


def _vacuum(attributes: Attributes, _: str) -> Capabilities:
    return _set(start=_has(attributes, 8192), dock=_has(attributes, 16))


def _lawn_mower(attributes: Attributes, _: str) -> Capabilities:
    return _set(start=_has(attributes, 1), dock=_has(attributes, 4))


def _scene(_: Attributes, __: str) -> Capabilities:
    return {"activate": True}


def _button(_: Attributes, __: str) -> Capabilities:
    return {"press": True}


def _todo(attributes: Attributes, _: str) -> Capabilities:
    return _set(add_item=_has(attributes, 1))


def _select(attributes: Attributes, _: str) -> Capabilities:
    return _set(option=_choices(attributes.get("options")))


_BY_DOMAIN: dict[str, Callable[[Attributes, str], Capabilities]] = {
    "automation": _switch,
    "button": _button,
    "climate": _climate,
    "cover": _cover,
    "fan": _fan,
    "humidifier": _humidifier,
    "input_boolean": _switch,
    "input_button": _button,
    "input_select": _select,
    "lawn_mower": _lawn_mower,
    "light": _light,
    "lock": _lock,
    "media_player": _media_player,
    "scene": _scene,
    "script": _scene,
    "select": _select,
    "siren": _switch,
    "switch": _switch,
    "todo": _todo,
    "vacuum": _vacuum,
    "valve": _cover,
    "water_heater": _water_heater,
}
