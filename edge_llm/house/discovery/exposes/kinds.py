"""From what a device exposes to what it is to the house: lights, covers, sensors and the others."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from edge_llm.house.discovery.entity import STATE
from edge_llm.house.discovery.exposes.classes import (
    BINARY_CLASSES,
    INVERTED,
    NOT_ASKED_FOR,
    SETTINGS,
    class_of,
)
from edge_llm.house.discovery.exposes.entries import Expose, Feature
from edge_llm.house.discovery.exposes.messages import (
    ColorOf,
    CoverState,
    NumberOf,
    OneOf,
    Scale,
    TextOf,
    WordOf,
    body,
)
from edge_llm.house.discovery.exposes.shape import Shape, scale_of
from edge_llm.house.discovery.kinds.colors import HEX

_SPEEDS = "low", "medium", "high", *"123456789"
_PRESETS = "auto", "smart"
_MODES_ON = "heat_cool", "heat", "cool", "auto"
"""The modes that switch a thermostat on, the first that it has, as Home Assistant chooses them."""
_OPENING = {"opening", "open", "forward", "up", "rising"}
_CLOSING = {"closing", "close", "backward", "back", "reverse", "down", "declining"}


def shapes_of(exposes: Sequence[Expose], topic: str) -> Iterator[Shape]:
    """What a device is to the house, without what only sets it up."""
    for expose in exposes:
        if not expose.is_setting and (shape := _shape(expose, topic, exposes)):
            yield shape


def shape_of_group(expose: Expose, topic: str) -> Shape | None:
    """What devices of one type are together."""
    return _shape(expose, topic, ())


def _shape(expose: Expose, topic: str, others: Sequence[Expose]) -> Shape | None:
    if (state := expose.feature("state")) and state.without_endpoint().key in SETTINGS:
        return None
    if expose.type == "cover":
        return _cover(expose, topic, others)
    make = _KINDS.get(expose.type)
    return make(expose, topic) if make else None


def _new(kind: str, expose: Expose, topic: str, name: str | None = None) -> Shape:
    """A shape with the ids that zigbee2mqtt gives; ``name`` is that of a part among several."""
    end = f"_{expose.endpoint}" if expose.endpoint else ""
    if name is None:
        return Shape(kind, f"{kind}{end}", topic, (expose.endpoint or "").capitalize())
    label = expose.label or expose.name.replace("_", " ").capitalize()
    return Shape(kind, f"{name}{end}", topic, f"{label} {expose.endpoint}" if expose.endpoint else label)


def _light(expose: Expose, topic: str) -> Shape:
    shape = _new("light", expose, topic)
    state, brightness = expose.feature("state"), expose.feature("brightness")
    shape.switches(state)
    shape.levels("brightness", brightness, scale_of(brightness))
    color = expose.feature("color_xy", "color_hs")
    if color and color.settable:
        # A color alone does not light a lamp that is off.
        on = {state.key: state.value_on} if state and "on" in shape.commands else {}
        shape.capabilities["color"] = tuple(HEX)
        payloads = tuple((name, body({**on, color.key: {"hex": code}})) for name, code in HEX.items())
        shape.commands["color"] = OneOf(shape.command_topic, payloads)
    if color and color.published:
        mode = f"color_mode_{color.endpoint}" if color.endpoint else "color_mode"
        shape.reads("color", ColorOf(color.key, mode))
    return shape


def _switch(expose: Expose, topic: str) -> Shape:
    shape = _new("switch", expose, topic)
    shape.switches(expose.feature("state"))
    return shape


def _lock(expose: Expose, topic: str) -> Shape:
    shape = _new("lock", expose, topic)
    shape.switches(expose.feature("state"), "lock", ("lock", "unlock"), ("locked", "unlocked"))
    return shape


def _cover(expose: Expose, topic: str, others: Iterable[Expose]) -> Shape:
    shape = _new("cover", expose, topic)
    state, position = expose.feature("state"), expose.feature("position")
    if state and state.settable:
        if {"OPEN", "CLOSE"} <= {*state.words}:
            shape.capabilities["open_close"] = True
            shape.sends("open", **{state.key: "OPEN"})
            shape.sends("close", **{state.key: "CLOSE"})
        if "STOP" in state.words:
            shape.capabilities["stop"] = True
            shape.sends("stop", **{state.key: "STOP"})
    moving = next((each for each in others if _says_movement(each, expose)), None)
    shape.reads(
        STATE,
        CoverState(
            state.key if state else "",
            position.key if position and position.published else None,
            moving.key if moving else None,
            tuple(_moves(moving)) if moving else (),
        ),
    )
    shape.levels("position", position, scale_of(position))
    return shape


def _says_movement(expose: Expose, cover: Expose) -> bool:
    named = expose.type == "enum" and expose.name in ("motor_state", "moving")
    return named and expose.published and expose.endpoint == cover.endpoint


def _moves(moving: Feature) -> Iterator[tuple[str, str]]:
    for word in moving.words:
        if word.lower() in _OPENING:
            yield word, "opening"
        elif word.lower() in _CLOSING:
            yield word, "closing"


def _fan(expose: Expose, topic: str) -> Shape:
    shape = _new("fan", expose, topic)
    state, mode, speed = expose.feature("state"), expose.feature("mode"), expose.feature("speed")
    shape.switches(state)
    off = {state.key: state.value_off} if state and "off" in shape.commands else {}
    if speed and (scale := scale_of(speed, below=1)):
        shape.speeds(speed, scale, (), off)
    if mode:
        if names := tuple(name for name in _SPEEDS if name in mode.words):
            shape.speeds(mode, Scale(0, len(names)), names, off)
        shape.chooses("mode", mode, tuple(name for name in _PRESETS if name in mode.words))
    return shape


def _climate(expose: Expose, topic: str) -> Shape:
    shape = _new("climate", expose, topic)
    warm = expose.feature("occupied_heating_setpoint", "current_heating_setpoint")
    cold = expose.feature("occupied_cooling_setpoint")
    if warm and cold:
        shape.problem = "its temperatures cannot be set: it has one for heating and one for cooling"
    elif wanted := warm or cold:
        shape.degrees(wanted)
    mode, running = expose.feature("system_mode"), expose.feature("running_state")
    if mode and len(mode.words) > 1:
        shape.chooses("mode", mode, mode.words)
        on = next((name for name in _MODES_ON if name in mode.words), None)
        if mode.settable and on and "off" in mode.words:
            shape.capabilities["on_off"] = True
            shape.sends("on", **{mode.key: on})
            shape.sends("off", **{mode.key: "off"})
    told = next((each for each in (mode, running) if each and each.published), None)
    if told:
        shape.reads(STATE, TextOf(told.key))
    preset = expose.feature("preset")
    shape.chooses("option", preset, preset.words if preset else ())
    measured = expose.feature("local_temperature")
    if measured and measured.published:
        shape.reads("current_temperature", NumberOf(measured.key))
    return shape


def _siren(expose: Expose, topic: str) -> Shape | None:
    """A siren that takes a warning; it does not say whether it sounds."""
    if expose.name != "warning" or not expose.settable:
        return None
    mode, level, duration = (expose.feature(name) for name in ("mode", "level", "duration"))
    sounds = tuple(word for word in mode.words if word != "stop") if mode else ()
    if not mode or not sounds or len(sounds) == len(mode.words):
        return None
    warning: dict[str, str | int] = {"mode": "emergency" if "emergency" in sounds else sounds[0]}
    if level and "medium" in level.words:
        warning["level"] = "medium"
    if duration:
        warning["duration"] = 10  # seconds, as for Home Assistant
    shape = _new("siren", expose, topic)
    shape.capabilities["on_off"] = True
    shape.sends("on", **{expose.key: warning})
    shape.sends("off", **{expose.key: {"mode": "stop"}})
    return shape


def _binary(expose: Expose, topic: str) -> Shape | None:
    if expose.settable:
        kind = {"state": "switch", "alarm": "siren"}.get(expose.name)
        if kind is None:  # a setting that nobody has marked as one
            return None
        shape = _new(kind, expose, topic, f"switch_{expose.name}")
        shape.label = shape.label if kind == "siren" else (expose.endpoint or "").capitalize()
        shape.switches(expose)
        return shape
    if expose.name in NOT_ASKED_FOR or not expose.published or expose.value_on is None:
        return None
    shape = _new("binary_sensor", expose, topic, expose.name)
    if expose.name == "contact":  # named as the window or the door that it is at; so it is announced, too
        shape.label = (expose.endpoint or "").capitalize()
    shape.device_class = BINARY_CLASSES.get(expose.name)
    words = ("off", "on") if expose.name in INVERTED else ("on", "off")
    shape.reads(
        STATE, WordOf(expose.key, tuple(zip((expose.value_on, expose.value_off), words, strict=True)))
    )
    return shape


def _numeric(expose: Expose, topic: str) -> Shape | None:
    if expose.settable or not expose.published or expose.name in NOT_ASKED_FOR:
        return None
    shape = _new("sensor", expose, topic, expose.name)
    shape.unit = expose.unit
    shape.device_class = class_of(expose.name, expose.unit)
    shape.reads(STATE, NumberOf(expose.key))
    return shape


def _enum(expose: Expose, topic: str) -> Shape | None:
    if expose.settable or not expose.published or expose.name in NOT_ASKED_FOR:
        return None
    shape = _new("sensor", expose, topic, expose.name)
    shape.object_id = expose.key
    shape.reads(STATE, TextOf(expose.key))
    return shape


_KINDS: dict[str, Callable[[Expose, str], Shape | None]] = {
    "light": _light,
    "switch": _switch,
    "lock": _lock,
    "fan": _fan,
    "climate": _climate,
    "composite": _siren,
    "binary": _binary,
    "numeric": _numeric,
    "enum": _enum,
}
