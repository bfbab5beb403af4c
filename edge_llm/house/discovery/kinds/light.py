"""Lights of the default schema: a topic for each of state, brightness and color."""

from collections.abc import Callable

from edge_llm.contract.house import Capabilities, Range
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import STATE, Command, Publish
from edge_llm.house.discovery.kinds.colors import COLORS, Rgb, hue_saturation, name_of, name_of_xy, xy
from edge_llm.house.discovery.kinds.light_json import json_light
from edge_llm.house.discovery.parts import Parts, Sender, is_number, mapped, percent_of
from edge_llm.house.discovery.unreadable import Unreadable

_FULL = 100.0
_RGB = ("red", "green", "blue")
_RGB_MODES = {"rgb": (), "rgbw": ("white",), "rgbww": ("cold_white", "warm_white")}
"""What a color has beside red, green and blue, which is 0 in one that has a name."""
_Paint = Callable[[Rgb], tuple[Publish, ...]]


def light(parts: Parts) -> Capabilities:
    """A light of whichever schema its options name."""
    schema = parts.options.payload("schema", "basic")
    if schema == "json":
        return json_light(parts)
    if schema not in ("basic", "default"):
        raise Unreadable("schema: only basic and json are read")
    return _basic(parts)


def _basic(parts: Parts) -> Capabilities:
    options = parts.options
    on, off = options.payload("payload_on", "ON"), options.payload("payload_off", "OFF")
    switch = parts.needed("command_topic")
    first = options.payload("on_command_type", "last")
    if first not in ("last", "first", "brightness"):
        raise Unreadable("on_command_type: it is none of last, first and brightness")
    dims: Command | None = None
    paints: Command | None = None
    with parts.part("brightness"):
        dims = _brightness(parts, switch, on, off, first)
    with parts.part("color"):
        paints = _color(parts, switch, on, first, dims)
    if first == "brightness":
        if dims is None:
            raise Unreadable("on_command_type: it is brightness, which cannot be set")
        full = dims
        parts.commands |= {"on": lambda last: full(last or _FULL), "off": lambda _: switch(off)}
    else:
        parts.switches(on, off, switch)
    if dims:
        parts.commands["brightness"] = dims
    if paints:
        parts.commands["color"] = paints
    _read(parts, on, off)
    return Capabilities(
        on_off=True, brightness=Range() if dims else None, color=tuple(COLORS) if paints else None
    )


def _brightness(parts: Parts, switch: Sender, on: str, off: str, first: str) -> Command | None:
    dimmer = parts.sender("brightness_command_topic", "brightness_command_template")
    if dimmer is None:
        return None
    scale = _scale(parts)

    def command(value: Value) -> tuple[Publish, ...]:
        if not is_number(value):
            return ()
        if value <= 0:
            return switch(off)
        return _with_on(dimmer(max(1, min(round(scale), round(value / 100 * scale)))), switch, on, first)

    return command


def _scale(parts: Parts) -> float:
    scale = parts.options.number("brightness_scale", 255)
    if scale < 1:
        raise Unreadable("brightness_scale: it is less than 1")
    return scale


def _with_on(messages: tuple[Publish, ...], switch: Sender, on: str, first: str) -> tuple[Publish, ...]:
    if not messages or first == "brightness":
        return messages
    return messages + switch(on) if first == "last" else switch(on) + messages


def _color(parts: Parts, switch: Sender, on: str, first: str, dims: Command | None) -> Command | None:
    paint = _paint(parts)
    if paint is None:
        return None
    full = dims if first == "brightness" else None

    def command(value: Value) -> tuple[Publish, ...]:
        if not isinstance(value, str) or value not in COLORS:
            return ()
        messages = paint(COLORS[value])
        # Such a light is on by its brightness; which it had, it does not say to everybody.
        return messages + full(_FULL) if full and messages else _with_on(messages, switch, on, first)

    return command


def _paint(parts: Parts) -> _Paint | None:
    """The first of the ways in which a color can be set."""
    if hs := parts.sender("hs_command_topic", "hs_command_template", ("hue", "sat")):
        return lambda rgb: _pair(hs, ("hue", "sat"), hue_saturation(rgb))
    for mode, whites in _RGB_MODES.items():
        names = (*_RGB, *whites)
        if channels := parts.sender(f"{mode}_command_topic", f"{mode}_command_template", names):
            return _channels(channels, names, len(whites))
    if plane := parts.sender("xy_command_topic", "xy_command_template", ("x", "y")):
        return lambda rgb: _pair(plane, ("x", "y"), xy(rgb))
    return None


def _channels(sender: Sender, names: tuple[str, ...], whites: int) -> _Paint:
    def paint(rgb: Rgb) -> tuple[Publish, ...]:
        values = (*rgb, *(0,) * whites)
        return sender(",".join(map(str, values)), dict(zip(names, values, strict=True)))

    return paint


def _pair(sender: Sender, names: tuple[str, str], values: tuple[float, float]) -> tuple[Publish, ...]:
    return sender(f"{values[0]},{values[1]}", dict(zip(names, values, strict=True)))


def _read(parts: Parts, on: str, off: str) -> None:
    parts.reads(
        STATE, "state_topic", ("state_value_template", "value_template"), mapped({on: "on", off: "off"})
    )
    with parts.part("brightness"):
        parts.reads(
            "brightness", "brightness_state_topic", "brightness_value_template", percent_of(_scale(parts))
        )
    for topic, template, read in _COLOR_STATES:
        parts.reads("color", topic, template, read)


def _numbers(text: str) -> list[float]:
    return [float(each) for each in text.split(",", 5)]


def _read_hs(text: str) -> str | None:
    hue, saturation = _numbers(text)
    return name_of(hue, saturation)


def _read_rgb(text: str) -> str | None:
    red, green, blue = _numbers(text)[:3]
    return name_of(*hue_saturation((red, green, blue)))


def _read_xy(text: str) -> str | None:
    x, y = _numbers(text)
    return name_of_xy(x, y)


_COLOR_STATES: tuple[tuple[str, str, Callable[[str], str | None]], ...] = (
    ("hs_state_topic", "hs_value_template", _read_hs),
    *((f"{mode}_state_topic", f"{mode}_value_template", _read_rgb) for mode in _RGB_MODES),
    ("xy_state_topic", "xy_value_template", _read_xy),
)
