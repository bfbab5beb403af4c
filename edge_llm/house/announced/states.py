"""The states of devices, as their messages tell them, and whether they are what an act was to bring about."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Literal

from edge_llm.contract.house import Scalar
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import AVAILABLE, STATE, Entity, Reading
from edge_llm.mqtt.properties import topic_matches

MAX_STATE_BYTES = 16384
"""Maximum size of a message that is read."""
UNAVAILABLE, UNKNOWN = "unavailable", "unknown"
"""States of a device that has said, or whose bridge has said, that it is not there; and of one that has not
told any."""
_SHOWS = {
    "off": frozenset({"off"}),
    "open": frozenset({"open", "opening"}),
    "close": frozenset({"closed", "closing"}),
    "lock": frozenset({"locked", "locking"}),
    "unlock": frozenset({"unlocked", "unlocking", "open", "opening"}),
    "start": frozenset({"cleaning", "mowing"}),
    "dock": frozenset({"docked", "returning"}),
}
"""By action: the states that it brings about."""
_LEVELS = frozenset({"brightness", "position", "temperature", "speed", "volume", "humidity"})
_ABOUT = 1.0
"""Largest difference of two levels that count as the same: devices round to steps of their own."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a device had told by some time: number of messages, and its position."""

    messages: int = -1
    position: Scalar | None = None


@dataclass(slots=True)
class DeviceState:
    """What a device has told; ``told`` counts its messages."""

    state: str | None = None
    attributes: dict[str, Scalar] = field(default_factory=dict)
    heard: dict[str, bool] = field(default_factory=dict)
    """Whether it is there, as each topic says; the last one that said so is last."""
    together: Literal["all", "any", "latest"] = "latest"
    """Which of these have to be true."""
    told: int = 0
    told_at: float | None = None
    """Time of its last message (time.monotonic); None if the broker had kept it, nobody knows how long."""

    @property
    def available(self) -> bool:
        """Whether it is there; as long as nothing says that it is not."""
        said = tuple(self.heard.values())
        if self.together == "latest":
            return said[-1] if said else True
        return any(said) or not said if self.together == "any" else all(said)

    def is_as(self, action: str, value: Value, before: Told) -> bool:
        """Whether it is what an action was to bring about, or moves there; ``before``: when that was sent.

        What no state shows, such as a stop, counts as seen with the next message.
        """
        if not self.available or self.told == before.messages:
            return False
        if action == "on" and self.state is not None:
            return self.state != "off"
        if action in _SHOWS and self.state is not None:
            return self.state in _SHOWS[action]
        if action in _LEVELS and isinstance(level := self.attributes.get(action), int | float):
            moves = action == "position" and self._moves_to(value, level, before.position)
            return moves or (isinstance(value, int | float) and abs(level - value) <= _ABOUT)
        if action in ("mode", "option") and self.state is not None:
            now = (self.state, self.attributes.get(action))  # a mode may be one of those or of presets
            return str(value).casefold() in (str(each).casefold() for each in now)
        return True

    def _moves_to(self, value: Value, position: float, before: Scalar | None) -> bool:
        """Whether it says so, or has come nearer: a curtain takes its time."""
        if not isinstance(value, int | float):
            return False
        if self.state in ("opening", "closing"):
            return self.state == ("opening" if position < value else "closing")
        if not isinstance(before, int | float) or abs(position - before) <= _ABOUT:
            return False
        return before < position < value or before > position > value

    def age_s(self) -> float | None:
        """Seconds since its last message; None where nobody knows."""
        return None if self.told_at is None else monotonic() - self.told_at


class DeviceStates:
    """The states of some devices; one thread changes them, any thread may read."""

    def __init__(self) -> None:
        """Follow no device yet."""
        self._states: dict[str, DeviceState] = {}
        self._by_topic: dict[str, list[tuple[str, Reading]]] = {}
        self._filters: tuple[str, ...] = ()
        """Those of the topics that stand for several."""

    @property
    def topics(self) -> frozenset[str]:
        """The topics, or filters of topics, on which these devices tell their states."""
        return frozenset(self._by_topic)

    def follow(self, entities: Mapping[str, Entity]) -> None:
        """Follow these devices, by their ids; what the others have told is forgotten."""
        by_topic: defaultdict[str, list[tuple[str, Reading]]] = defaultdict(list)
        for name, entity in entities.items():
            for reading in entity.readings:
                by_topic[reading.topic].append((name, reading))
        self._by_topic = dict(by_topic)
        self._filters = tuple(topic for topic in by_topic if "+" in topic)
        self._states = {
            name: replace(self._states.get(name) or DeviceState(), together=entity.availability)
            for name, entity in entities.items()
        }

    def of(self, device: str) -> DeviceState | None:
        """What a device has told; None of one that has told nothing."""
        state = self._states.get(device)
        return state if state and state.told else None

    def told(self, device: str) -> Told:
        """What a device has told by now."""
        state = self._states.get(device)
        return Told(state.told, state.attributes.get("position")) if state else Told(0)

    def update(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Take in a message; returns whether it told anything of a device."""
        readings = self._readings(topic)
        if not readings or len(payload) > MAX_STATE_BYTES:
            return False
        text = payload.decode(errors="replace")
        told = False
        for name, reading in readings:
            value = reading.read(text)
            if value is not None:
                told = True
                _tell(self._states[name], reading, value, retained=retained)
        return told

    def _readings(self, topic: str) -> list[tuple[str, Reading]]:
        found = self._by_topic.get(topic, [])
        for each in self._filters:
            if topic_matches(each, topic):
                found = found + self._by_topic[each]
        return found


def _tell(state: DeviceState, reading: Reading, value: Scalar, *, retained: bool) -> None:
    if reading.of == AVAILABLE:
        others = {topic: said for topic, said in state.heard.items() if topic != reading.topic}
        state.heard = others | {reading.topic: bool(value)}  # at once, for whoever reads it meanwhile
    elif reading.of == STATE:
        state.state = str(value)
    else:
        state.attributes[reading.of] = value
    state.told += 1
    state.told_at = None if retained else monotonic()
