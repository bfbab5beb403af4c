"""Keeps the devices that have announced themselves, and what of their announcements could not be read.

Knows nothing of MQTT but topics and payloads. Whoever may publish announcements may write anything in them:
all that is kept of them is bounded, and nothing of them is quoted.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from edge_llm.contract.house import MAX_DEVICES
from edge_llm.house.discovery.building import build, reason_to_leave_out
from edge_llm.house.discovery.config import Place, place_of, read_components
from edge_llm.house.discovery.entity import Entity
from edge_llm.house.discovery.topics import Reserved
from edge_llm.house.discovery.unreadable import Unreadable

PREFIX = "homeassistant"
"""First levels of the topics of announcements, as nearly every product has them."""
MAX_TOPICS, MAX_PROBLEMS = 10_000, 2000
MAX_BYTES = 2**24
"""Maximum size of all announcements of devices that are kept, together."""
_MAX_REASON = 300
_NO_PLACE = "a topic that is none of an announcement"
_TOO_MANY_TOPICS = f"beyond {MAX_TOPICS} topics"
_TOO_MANY_PROBLEMS = f"unreadable, beyond {MAX_PROBLEMS}"


@dataclass(slots=True)
class _Topic:
    """What the last message of a topic has come to."""

    digest: bytes
    size: int = 0
    entities: dict[str, Entity] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


class Discovery:
    """The devices of all announcements; one thread at a time uses it."""

    def __init__(self, own_base: str, prefix: str = PREFIX, routes: tuple[str, ...] = ()) -> None:
        """Begin with none; no device may name a topic inside ``own_base``, which is that of nodes.

        Nor one that the filters ``routes`` match.
        """
        self._prefix = prefix.rstrip("/")
        self._reserved = Reserved(own_base.rstrip("/"), self._prefix, routes)
        self._topics: dict[str, _Topic] = {}
        self._entities: dict[str, Entity] = {}
        self._owners: dict[tuple[str, str], str] = {}
        self._bytes = 0
        self._turned_away: Counter[str] = Counter()

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters of the topics that announcements come on."""
        return f"{self._prefix}/+/+/config", f"{self._prefix}/+/+/+/config"

    @property
    def entities(self) -> Mapping[str, Entity]:
        """The devices by their ids."""
        return MappingProxyType(self._entities)

    @property
    def problems(self) -> Mapping[str, str]:
        """By topic: why what was announced there could not be read, or not all of it; only the first."""
        found: dict[str, str] = {}
        for topic, seen in self._topics.items():
            if seen.problems and len(found) < MAX_PROBLEMS:
                found[topic] = seen.problems[0][:_MAX_REASON]
        return found

    @property
    def ignored(self) -> Mapping[str, int]:
        """Number of what is left out although nothing is wrong with it, or for which there is no room."""
        total = Counter(self._turned_away)
        for seen in self._topics.values():
            total.update(seen.ignored)
        if (more := sum(bool(seen.problems) for seen in self._topics.values()) - MAX_PROBLEMS) > 0:
            total[_TOO_MANY_PROBLEMS] = more
        return dict(total)

    def update(self, topic: str, payload: bytes) -> bool:
        """Take an announcement; returns whether the devices are others now.

        An empty payload removes what was announced on the topic, and so does one that cannot be read.
        """
        place = place_of(topic, self._prefix)
        if place is None:
            self._turned_away[_NO_PLACE] += 1
            return False
        before = self._topics.get(topic)
        digest = hashlib.sha256(payload).digest()
        if before and before.digest == digest and not before.problems:
            return False
        had = self._forget(topic)
        if not payload:
            return had
        if len(self._topics) >= MAX_TOPICS:
            self._turned_away[_TOO_MANY_TOPICS] += 1
            return had
        seen = self._topics[topic] = _Topic(digest, len(payload))
        self._read(seen, place, payload)
        if len(seen.problems) > 1:  # there may be hundreds
            seen.problems = ["; ".join(dict.fromkeys(seen.problems))[:_MAX_REASON]]
        if seen.entities:
            self._bytes += seen.size
        return had or bool(seen.entities)

    def _forget(self, topic: str) -> bool:
        """Drop what a topic announced; returns whether that were devices."""
        seen = self._topics.pop(topic, None)
        if seen is None or not seen.entities:
            return False
        self._bytes -= seen.size
        for identity, entity in seen.entities.items():
            del self._entities[identity]
            self._owners.pop(_owner(entity), None)
        return True

    def _read(self, seen: _Topic, place: Place, payload: bytes) -> None:
        try:
            components = read_components(place, payload)
        except Unreadable as error:
            seen.problems.append(str(error))
            return
        for component in components:
            if reason := reason_to_leave_out(component):
                seen.ignored[reason] += 1
                continue
            try:
                built = build(component, self._reserved)
                self._add(seen, built.entity)
                seen.problems += built.problems
            except Unreadable as error:
                seen.problems.append(str(error))

    def _add(self, seen: _Topic, entity: Entity) -> None:
        owner = _owner(entity)
        if len(self._entities) >= MAX_DEVICES or self._bytes + seen.size > MAX_BYTES:
            raise Unreadable(f"there are {MAX_DEVICES} devices or {MAX_BYTES} bytes of announcements already")
        if owner in self._owners:
            raise Unreadable("unique_id: another device of this kind has it")
        if entity.device.unique_id:
            self._owners[owner] = entity.device.id
        self._entities[entity.device.id] = seen.entities[entity.device.id] = entity


def _owner(entity: Entity) -> tuple[str, str]:
    return entity.device.kind, entity.device.unique_id or ""
