"""Entities that do as they are told, at once, like those of home-assistant-synthetic-home."""

from collections.abc import Mapping
from enum import Enum, IntFlag
from typing import Any, TypeVar

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.components.cover import CoverDeviceClass, CoverEntity, CoverEntityFeature
from homeassistant.components.fan import FanEntity, FanEntityFeature
from homeassistant.components.light import ColorMode, LightEntity
from homeassistant.components.lock import LockEntity
from homeassistant.components.media_player import (
    MediaPlayerDeviceClass,
    MediaPlayerEntity,
    MediaPlayerEntityFeature,
    MediaPlayerState,
)
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity
from homeassistant.components.todo import TodoItem, TodoItemStatus, TodoListEntity, TodoListEntityFeature
from homeassistant.components.vacuum import StateVacuumEntity, VacuumActivity, VacuumEntityFeature
from homeassistant.components.valve import ValveEntity, ValveEntityFeature
from homeassistant.helpers.entity import Entity

States = Mapping[str, Any]
"""Attributes as the fixtures have them, and the state itself as ``state``."""
C = TypeVar("C", bound=Enum)
F = TypeVar("F", bound=IntFlag)
_TRACKS = 20
_LIGHT = ("brightness", "rgb_color", "rgbw_color")


class Fixture(Entity):
    """An entity of the fixtures."""

    _attr_should_poll = False

    def __init__(self, entity_id: str, name: str, state: States) -> None:
        """Be what the fixtures say."""
        self.entity_id = self._attr_unique_id = entity_id
        self._attr_name = name
        self.take(state)

    def take(self, state: States) -> None:
        """Take features and state from the fixtures, without telling it."""
        raise NotImplementedError

    def _become(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, f"_attr_{name}", value)
        self.async_write_ha_state()


def _last_word(value: Any) -> str:
    """``CURTAIN`` of ``cover.CoverDeviceClass.CURTAIN``."""
    return str(value).rpartition(".")[2]


def _features(kind: type[F], state: States) -> F:
    found = kind(0)
    for feature in state.get("supported_features") or ():
        found |= kind[_last_word(feature)]
    return found


def _device_class(kind: type[C], state: States) -> C | None:
    name = state.get("device_class")
    return kind[_last_word(name).upper()] if name else None


class BinarySensor(Fixture, BinarySensorEntity):
    """On or off."""

    def take(self, state: States) -> None:
        """Take the class and the state."""
        self._attr_device_class = _device_class(BinarySensorDeviceClass, state)
        self._attr_is_on = state["state"] == "on"


class Cover(Fixture, CoverEntity):
    """Is at its end at once."""

    def take(self, state: States) -> None:
        """Take the class, the features and the position."""
        self._attr_device_class = _device_class(CoverDeviceClass, state)
        self._attr_supported_features = _features(CoverEntityFeature, state)
        self._attr_current_cover_position = state.get("current_position")
        self._attr_is_closed = state["state"] == "closed"

    async def async_open_cover(self, **_: Any) -> None:
        """Open."""
        self._become(current_cover_position=100, is_closed=False)

    async def async_close_cover(self, **_: Any) -> None:
        """Close."""
        self._become(current_cover_position=0, is_closed=True)

    async def async_set_cover_position(self, **kwargs: Any) -> None:
        """Move there."""
        self._become(current_cover_position=kwargs["position"], is_closed=not kwargs["position"])


class Fan(Fixture, FanEntity):
    """Runs at 100 % once it is on."""

    def take(self, state: States) -> None:
        """Take the features and the speed."""
        can = _features(FanEntityFeature, state)
        self._attr_supported_features = can | FanEntityFeature.TURN_ON | FanEntityFeature.TURN_OFF
        self._attr_percentage = state.get("percentage")
        self._attr_oscillating = state.get("oscillating")

    async def async_turn_on(
        self, percentage: int | None = None, preset_mode: str | None = None, **_: Any
    ) -> None:
        """Turn on."""
        self._become(percentage=percentage or 100)

    async def async_turn_off(self, **_: Any) -> None:
        """Turn off."""
        self._become(percentage=0)

    async def async_set_percentage(self, percentage: int) -> None:
        """Set the speed."""
        self._become(percentage=percentage)


class Light(Fixture, LightEntity):
    """Keeps its brightness while it is off."""

    def take(self, state: States) -> None:
        """Take the color modes, the brightness and the color."""
        modes = [ColorMode(_last_word(mode).lower()) for mode in state.get("supported_color_modes") or ()]
        self._attr_supported_color_modes = set(modes) or {ColorMode.ONOFF}
        self._attr_color_mode = modes[0] if modes else ColorMode.ONOFF
        self._attr_is_on = state["state"] == "on"
        for name in _LIGHT:
            setattr(self, f"_attr_{name}", state.get(name))

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on, with this brightness and color."""
        self._become(is_on=True, **{name: kwargs[name] for name in _LIGHT if name in kwargs})

    async def async_turn_off(self, **_: Any) -> None:
        """Turn off."""
        self._become(is_on=False)


class Lock(Fixture, LockEntity):
    """Locked or not."""

    def take(self, state: States) -> None:
        """Take the state."""
        self._attr_is_locked = state["state"] == "locked"

    async def async_lock(self, **_: Any) -> None:
        """Lock."""
        self._become(is_locked=True)

    async def async_unlock(self, **_: Any) -> None:
        """Unlock."""
        self._become(is_locked=False)


class MediaPlayer(Fixture, MediaPlayerEntity):
    """Plays one of its tracks."""

    def take(self, state: States) -> None:
        """Take the class, the features, the volume and the track."""
        self._attr_device_class = _device_class(MediaPlayerDeviceClass, state)
        self._attr_supported_features = _features(MediaPlayerEntityFeature, state)
        self._attr_state = MediaPlayerState(state["state"])
        self._attr_volume_level = state.get("volume_level")
        self._attr_is_volume_muted = None
        self._attr_media_track = state.get("media_track")

    async def async_turn_on(self) -> None:
        """Turn on, at the first track."""
        self._become(state=MediaPlayerState.IDLE, media_track=0)

    async def async_turn_off(self) -> None:
        """Turn off."""
        self._become(state=MediaPlayerState.OFF)

    async def async_media_play(self) -> None:
        """Play."""
        self._become(state=MediaPlayerState.PLAYING)

    async def async_media_pause(self) -> None:
        """Pause."""
        self._become(state=MediaPlayerState.PAUSED)

    async def async_media_next_track(self) -> None:
        """Play the next track."""
        self._skip(1)

    async def async_media_previous_track(self) -> None:
        """Play the track before."""
        self._skip(-1)

    def _skip(self, step: int) -> None:
        track = ((self._attr_media_track or 0) + step) % _TRACKS
        self._become(state=MediaPlayerState.PLAYING, media_track=track)

    async def async_set_volume_level(self, volume: float) -> None:
        """Set the volume."""
        self._become(volume_level=volume)

    async def async_mute_volume(self, mute: bool) -> None:
        """Mute."""
        self._become(is_volume_muted=mute)


class Sensor(Fixture, SensorEntity):
    """Measures what the fixtures say."""

    def take(self, state: States) -> None:
        """Take the class, the unit and the value."""
        self._attr_device_class = _device_class(SensorDeviceClass, state)
        self._attr_native_unit_of_measurement = state.get("native_unit_of_measurement")
        self._attr_native_value = state["state"]


class TodoList(Fixture, TodoListEntity):
    """Counts its items as its state."""

    def take(self, state: States) -> None:
        """Take the features, and as many items as the state says."""
        self._attr_supported_features = _features(TodoListEntityFeature, state)
        self._attr_todo_items = [
            TodoItem(str(number), str(number), TodoItemStatus.NEEDS_ACTION)
            for number in range(int(state["state"]))
        ]

    async def async_create_todo_item(self, item: TodoItem) -> None:
        """Add an item."""
        self._become(todo_items=[*(self._attr_todo_items or ()), item])


class Vacuum(Fixture, StateVacuumEntity):
    """Cleans until it is told to return."""

    def take(self, state: States) -> None:
        """Take the features and the activity; one that is off stands still."""
        self._attr_supported_features = _features(VacuumEntityFeature, state)
        off = state["state"] == "off"
        self._attr_activity = VacuumActivity.IDLE if off else VacuumActivity(state["state"])

    async def async_start(self) -> None:
        """Start."""
        self._become(activity=VacuumActivity.CLEANING)

    async def async_pause(self) -> None:
        """Pause."""
        self._become(activity=VacuumActivity.PAUSED)

    async def async_return_to_base(self, **_: Any) -> None:
        """Return."""
        self._become(activity=VacuumActivity.RETURNING)


class Valve(Fixture, ValveEntity):
    """Is at its end at once."""

    def take(self, state: States) -> None:
        """Take the features and the position."""
        self._attr_supported_features = _features(ValveEntityFeature, state)
        self._attr_reports_position = bool(state.get("reports_position"))
        self._attr_current_valve_position = state.get("current_position")
        self._attr_is_closed = state["state"] == "closed"

    async def async_open_valve(self) -> None:
        """Open."""
        self._become(current_valve_position=100, is_closed=False)

    async def async_close_valve(self) -> None:
        """Close."""
        self._become(current_valve_position=0, is_closed=True)

    async def async_set_valve_position(self, position: int) -> None:
        """Move there."""
        self._become(current_valve_position=position, is_closed=not position)


KINDS: Mapping[str, type[Fixture]] = {
    "binary_sensor": BinarySensor,
    "cover": Cover,
    "fan": Fan,
    "light": Light,
    "lock": Lock,
    "media_player": MediaPlayer,
    "sensor": Sensor,
    "todo": TodoList,
    "vacuum": Vacuum,
    "valve": Valve,
}
