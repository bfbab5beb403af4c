"""Simulates what calls do to the states of a home, for the tests of home-assistant-datasets.

Judged as there, by https://github.com/allenporter/home-assistant-datasets (``entity_state/diff.py``): after
the calls, every state and every attribute of every entity is what it was, or what ``expect_changes`` says.
Left out are the attributes in ``ignore_changes``, and ``is_closed``, ``is_opening``, ``is_closing``.

Values are those that its devices (home-assistant-synthetic-home) report through Home Assistant, and that
answers what a test says about attributes that no command sets:

- A light that is off has neither ``brightness`` nor ``color_mode``. Turned on it has those that it had
  before: after ``brightness: 0`` in ``setup`` it is on with brightness 0, which the tests expect, and any
  other value is wrong.
- A fan that is turned on runs at 100 %. A cover and a valve are at 100 or 0 once they are open or closed; a
  moving cover is taken at its end, since the tests ignore its position.
- A cover without the feature SET_POSITION is not moved to one.
- A media player that is off has no volume and no track. Turning it on makes it ``idle``, at the first
  track; the next and the previous track make it ``playing``.
- A colour is compared as ``rgb_color``, or as ``rgbw_color`` where a light has that; what follows from
  these is left out.
- HassMediaPlayerMute sets ``is_volume_muted``. A test that expects ``volume_level: 0`` of "mute" was
  written before there was that intent: there, as with the original, a volume of 0 alone is right.
- A question needs no change: it is right if nothing has changed and nothing but a question was called.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from benchmarks.commands.contender import Answer
from benchmarks.commands.resolve import Home, Slots, targets

State = dict[str, Any]
"""Attributes by name, and the state itself as ``state``."""
States = Mapping[str, State]
_DERIVED = frozenset({"is_closed", "is_opening", "is_closing", "hs_color", "xy_color"})
_RGB = {
    "red": (255, 0, 0),
    "orange": (255, 165, 0),
    "yellow": (255, 255, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "purple": (128, 0, 128),
    "pink": (255, 192, 203),
    "white": (255, 255, 255),
}
"""Colours by their names in CSS, as Home Assistant reads them."""
_TRACKS = 20
_OPEN = frozenset({"cover", "valve"})
_ON_STATE = {"cover": "open", "valve": "open", "lock": "locked", "media_player": "idle"}
_OFF_STATE = {"cover": "closed", "valve": "closed", "lock": "unlocked"}
_NEITHER = frozenset({"scene", "script", "button", "input_button", "vacuum"})
"""Without a state of on or off; a vacuum cleaner starts and returns."""


def initial_states(entities: Iterable[Mapping[str, Any]]) -> States:
    """Return the states of fixtures, with what Home Assistant makes of them."""
    return {entity["id"]: _initial(entity) for entity in entities}


def _initial(entity: Mapping[str, Any]) -> State:
    kind, state = entity["id"].partition(".")[0], {**entity["attributes"]}
    its = entity.get("state")
    if isinstance(its, bool):
        its = ("off", "on")[its] if kind not in _OPEN else ("closed", "open")[its]
    if kind == "light" and its is None:
        its = "on" if state.get("brightness") else "off"
    elif kind == "todo":
        its = str(len(state.pop("todo_items", None) or ()))
    elif kind == "climate":
        its = its or str(state.get("hvac_mode") or "off")
        state["temperature"] = state.pop("target_temperature", state.get("temperature"))
    elif kind == "fan":
        state.setdefault("percentage", 100 if its == "on" else 0)
        its = "on" if state["percentage"] else "off"
    elif kind == "media_player":
        state = {"volume_level": 0.5, "media_track": 0} | state
    elif kind in _OPEN:
        its = its or ("open" if state.get("current_position") else "closed")
    if kind == "cover":
        state.setdefault("current_position", 100 if its == "open" else 0)
    return state | {"state": "off" if its is None else str(its)}


def run(home: Home, before: States, answer: Answer, context_area: str | None) -> States:
    """Return the states after all calls of an answer, in their order."""
    states = {name: dict(state) for name, state in before.items()}
    for call in answer.calls:
        for name in sorted(targets(home, call, context_area) & states.keys()):
            with suppress(KeyError, TypeError, ValueError):  # a value that is none has no effect
                _EFFECTS.get(call.name, _nothing)(name.partition(".")[0], states[name], call.arguments)
    return states


def _nothing(_kind: str, _state: State, _slots: Slots) -> None:
    """Do nothing: a question, or an intent that no device here knows."""


def _turn_on(kind: str, state: State, _slots: Slots) -> None:
    if kind == "climate":
        modes = [str(mode).rpartition(".")[2].lower() for mode in state.get("hvac_modes") or ()]
        wanted = (mode for mode in ("heat_cool", "heat", "cool", *modes) if mode in modes and mode != "off")
        state["state"] = next(wanted, state["state"])
    elif kind not in _NEITHER:
        state["state"] = _ON_STATE.get(kind, "on")
    if "current_position" in state:
        state["current_position"] = 100
    elif kind == "fan":
        state["percentage"] = 100
    elif kind == "media_player":
        state["media_track"] = 0


def _turn_off(kind: str, state: State, _slots: Slots) -> None:
    if kind not in _NEITHER:
        state["state"] = _OFF_STATE.get(kind, "off")
    if "current_position" in state:
        state["current_position"] = 0
    elif kind == "fan":
        state["percentage"] = 0


def _light_set(_kind: str, state: State, slots: Slots) -> None:
    brightness, color, kelvin = (slots.get(name) for name in ("brightness", "color", "temperature"))
    if brightness is not None and float(brightness) <= 0:
        state["state"] = "off"
        return
    state["state"] = "on"
    if brightness is not None and state.get("color_mode") != "onoff":
        state["brightness"] = round(255 * float(brightness) / 100)
    if color is not None:
        rgb = _RGB[str(color).lower()]
        with_white = any("rgbw" in str(mode) for mode in state.get("supported_color_modes") or ())
        state |= {"rgbw_color": [*rgb, 0]} if with_white else {"rgb_color": [*rgb]}
    if kelvin is not None:
        state["color_temp_kelvin"] = round(float(kelvin))


def _set_position(_kind: str, state: State, slots: Slots) -> None:
    features = [str(feature) for feature in state.get("supported_features") or ()]
    if features and not any(feature.endswith("SET_POSITION") for feature in features):
        return
    position = round(float(slots["position"]))
    state |= {"current_position": position, "state": "open" if position else "closed"}


def _set_speed(_kind: str, state: State, slots: Slots) -> None:
    percentage = round(float(slots["percentage"]))
    state |= {"percentage": percentage, "state": "on" if percentage else "off"}


def _set_volume(_kind: str, state: State, slots: Slots) -> None:
    state["volume_level"] = float(slots["volume_level"]) / 100


def _step_volume(_kind: str, state: State, slots: Slots) -> None:
    step = {"up": 10.0, "down": -10.0}.get(slots["volume_step"])
    percent = 100 * float(state["volume_level"]) + (float(slots["volume_step"]) if step is None else step)
    state["volume_level"] = round(max(0.0, min(100.0, percent)) / 100, 4)


def _pause(_kind: str, state: State, _slots: Slots) -> None:
    if state["state"] == "playing":
        state["state"] = "paused"


def _track(step: int) -> Callable[[str, State, Slots], None]:
    def skip(_kind: str, state: State, _slots: Slots) -> None:
        state |= {"media_track": (int(state["media_track"]) + step) % _TRACKS, "state": "playing"}

    return skip


def _becomes(name: str, value: Any) -> Callable[[str, State, Slots], None]:
    return lambda _kind, state, _slots: state.update({name: value})


def _takes(name: str, slot: str) -> Callable[[str, State, Slots], None]:
    return lambda _kind, state, slots: state.update({name: slots.get(slot)})


def _add_item(_kind: str, state: State, _slots: Slots) -> None:
    state["state"] = str(int(state["state"]) + 1)


_EFFECTS: Mapping[str, Callable[[str, State, Slots], None]] = {
    "HassTurnOn": _turn_on,
    "HassTurnOff": _turn_off,
    "HassOpenCover": _turn_on,
    "HassCloseCover": _turn_off,
    "HassLightSet": _light_set,
    "HassSetPosition": _set_position,
    "HassFanSetSpeed": _set_speed,
    "HassSetVolume": _set_volume,
    "HassSetVolumeRelative": _step_volume,
    "HassMediaPause": _pause,
    "HassMediaUnpause": _becomes("state", "playing"),
    "HassMediaNext": _track(1),
    "HassMediaPrevious": _track(-1),
    "HassMediaSearchAndPlay": _becomes("state", "playing"),
    "HassMediaPlayerMute": _becomes("is_volume_muted", value=True),
    "HassMediaPlayerUnmute": _becomes("is_volume_muted", value=False),
    "HassVacuumStart": _becomes("state", "cleaning"),
    "HassVacuumCleanArea": _becomes("state", "cleaning"),
    "HassVacuumReturnToBase": _becomes("state", "returning"),
    "HassListAddItem": _add_item,
    "HassShoppingListAddItem": _add_item,
    "HassClimateSetTemperature": _takes("temperature", "temperature"),
    "HassHumidifierSetpoint": _takes("humidity", "humidity"),
    "HassHumidifierMode": _takes("mode", "mode"),
}


def reported(states: States) -> States:
    """Return what Home Assistant reports: nothing that a device has only while it is on."""
    return {name: _shown(name.partition(".")[0], state) for name, state in states.items()}


def _shown(kind: str, state: State) -> State:
    hidden: tuple[str, ...] = ()
    if state["state"] == "off":
        hidden = _HIDDEN.get(kind, ())
    return {key: value for key, value in state.items() if key not in hidden and value is not None}


_HIDDEN: Mapping[str, tuple[str, ...]] = {
    "light": ("brightness", "color_mode", "rgb_color", "rgbw_color", "color_temp_kelvin"),
    "media_player": ("volume_level", "media_track", "is_volume_muted"),
}


def expected_states(before: States, changes: Mapping[str, Any]) -> States:
    """Return the states that a test expects: those before, with its ``expect_changes``.

    Raises:
        KeyError: it expects one of an entity that there is not.
    """
    states = {name: dict(state) for name, state in reported(before).items()}
    for name, change in changes.items():
        if change.get("state") is not None:
            states[name]["state"] = change["state"]
        states[name] |= change.get("attributes") or {}
    return states


def differing(one: States, other: States, ignored: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the attributes in which states differ, by entity."""
    found = {}
    for name, state in one.items():
        keys = (state.keys() | other[name].keys()) - _DERIVED - set(ignored.get(name) or ())
        if unlike := sorted(key for key in keys if not _equal(state.get(key), other[name].get(key))):
            found[name] = unlike
    return found


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) or str(one) == str(other)
