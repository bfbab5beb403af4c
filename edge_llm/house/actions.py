"""What devices can be told to do: actions by capability, and the intent that each is on the wire."""

from dataclasses import dataclass

from edge_llm.contract.house import Capabilities, Device, Range


@dataclass(frozen=True, slots=True)
class Action:
    """An action, by the capability that it needs.

    ``intent`` and ``slot`` are Home Assistant's, https://developers.home-assistant.io/docs/intent_builtin;
    a fixed ``value`` goes with what needs none from the sentence, ``step`` with what changes a value.
    """

    id: str
    capability: str
    intent: str
    slot: str | None = None
    value: str | float | None = None
    step: float = 0


_ACTIONS = (
    Action("on", "on_off", "HassTurnOn"),
    Action("off", "on_off", "HassTurnOff"),
    Action("open", "open_close", "HassTurnOn"),
    Action("close", "open_close", "HassTurnOff"),
    Action("stop", "stop", "HassStopMoving"),
    Action("lock", "lock", "HassTurnOn"),
    Action("unlock", "lock", "HassTurnOff"),
    Action("start", "start", "HassVacuumStart"),
    Action("dock", "dock", "HassVacuumReturnToBase"),
    Action("play", "play", "HassMediaUnpause"),
    Action("pause", "play", "HassMediaPause"),
    Action("next", "next", "HassMediaNext"),
    Action("previous", "next", "HassMediaPrevious"),
    Action("press", "press", "HassTurnOn"),
    Action("activate", "activate", "HassTurnOn"),
    Action("add_item", "add_item", "HassListAddItem", "item"),
    Action("complete_item", "add_item", "HassListCompleteItem", "item"),
    Action("brightness", "brightness", "HassLightSet", "brightness"),
    Action("brighter", "brightness", "HassLightSet", "brightness", step=20),
    Action("dimmer", "brightness", "HassLightSet", "brightness", step=-20),
    Action("color", "color", "HassLightSet", "color"),
    Action("position", "position", "HassSetPosition", "position"),
    Action("temperature", "temperature", "HassClimateSetTemperature", "temperature"),
    Action("warmer", "temperature", "HassClimateSetTemperature", "temperature", step=1),
    Action("cooler", "temperature", "HassClimateSetTemperature", "temperature", step=-1),
    Action("speed", "speed", "HassFanSetSpeed", "percentage"),
    Action("volume", "volume", "HassSetVolume", "volume_level"),
    Action("louder", "volume", "HassSetVolumeRelative", "volume_step", "up"),
    Action("quieter", "volume", "HassSetVolumeRelative", "volume_step", "down"),
    Action("mute", "volume", "HassMediaPlayerMute"),
    Action("unmute", "volume", "HassMediaPlayerUnmute"),
    Action("humidity", "humidity", "HassHumidifierSetpoint", "humidity"),
    Action("mode", "mode", "SetMode", "mode"),
    Action("option", "option", "SetOption", "option"),
)
RANGED = frozenset({"brightness", "position", "temperature", "speed", "volume", "humidity"})
"""Capabilities that are ranges, and the actions that set them."""
ACTIONS = {action.id: action for action in _ACTIONS}
"""Every action that changes something, by its id."""
QUERY = Action("query", "state", "HassGetState")
"""Asks for a state; every device has one."""
INTENTS = {
    ("start", "lawn_mower"): "HassLawnMowerStartMowing",
    ("dock", "lawn_mower"): "HassLawnMowerDock",
    ("mode", "humidifier"): "HassHumidifierMode",
}
"""Intents of single kinds. ``SetMode`` and ``SetOption``, for the others, are none of Home Assistant's."""

_PERCENT = Range()
_DEGREES = Range(min=0, max=100, step=0.5, unit="°")
"""Whichever the scale is."""
_ON_OFF = Capabilities(on_off=True)
_COVER = Capabilities(open_close=True, stop=True, position=_PERCENT)
_CLEANER = Capabilities(start=True, dock=True)
_LIGHT_COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "white", "turquoise")
USUAL = {
    "light": Capabilities(on_off=True, brightness=_PERCENT, color=_LIGHT_COLORS),
    "switch": _ON_OFF,
    "input_boolean": _ON_OFF,
    "siren": _ON_OFF,
    "fan": Capabilities(on_off=True, speed=_PERCENT),
    "cover": _COVER,
    "valve": Capabilities(open_close=True, position=_PERCENT),
    "lock": Capabilities(lock=True),
    "climate": Capabilities(on_off=True, temperature=_DEGREES),
    "water_heater": Capabilities(on_off=True, temperature=_DEGREES),
    "humidifier": Capabilities(on_off=True, humidity=_PERCENT),
    "media_player": Capabilities(on_off=True, play=True, next=True, volume=_PERCENT),
    "vacuum": _CLEANER,
    "lawn_mower": _CLEANER,
    "scene": Capabilities(activate=True),
    "script": Capabilities(activate=True),
    "button": Capabilities(press=True),
    "input_button": Capabilities(press=True),
    "todo": Capabilities(add_item=True),
}
"""Capabilities of a kind that a document says nothing of."""
_NOTHING = Capabilities()


def capabilities_of(device: Device) -> Capabilities:
    """What a device can do: what its document says, else what is usual for its kind."""
    return device.capabilities or USUAL.get(device.kind, _NOTHING)


def actions_of(device: Device) -> tuple[Action, ...]:
    """The actions that a device can be told, in a fixed order."""
    capabilities = capabilities_of(device)
    return tuple(action for action in _ACTIONS if getattr(capabilities, action.capability))


def intent_of(action: Action, kind: str) -> str:
    """The intent of an action on a device of ``kind``."""
    return INTENTS.get((action.id, kind), action.intent)
