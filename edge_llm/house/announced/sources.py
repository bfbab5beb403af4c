"""All that announces devices on one broker: Home Assistant's MQTT discovery, and zigbee2mqtt itself."""

from collections.abc import Mapping

from edge_llm.house.discovery.entity import Entity
from edge_llm.house.discovery.reader import Discovery
from edge_llm.house.discovery.zigbee2mqtt import Zigbee2Mqtt
from edge_llm.mqtt.properties import topic_matches


class DeviceSources:
    """The entities that are announced, read from their messages; one thread's own."""

    def __init__(
        self, discovery: str | None, zigbee2mqtt: str | None, own_base: str, routes: tuple[str, ...] = ()
    ) -> None:
        """Read below the prefix ``discovery`` and the base topic ``zigbee2mqtt``, where they are given.

        What has a topic below ``own_base``, or one that the filters ``routes`` match, is a node's, and no
        device.
        """
        self._discovery = Discovery(own_base, discovery, routes) if discovery else None
        self._zigbee2mqtt = Zigbee2Mqtt(zigbee2mqtt) if zigbee2mqtt else None
        self._bridge = (
            {f"{zigbee2mqtt}/bridge/devices", f"{zigbee2mqtt}/bridge/groups"} if zigbee2mqtt else ()
        )

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters of the topics on which devices are announced."""
        return (*(self._discovery.filters if self._discovery else ()), *sorted(self._bridge))

    def matches(self, topic: str) -> bool:
        """Whether devices are announced on a topic."""
        return topic in self._bridge or any(topic_matches(each, topic) for each in self.filters)

    def update(self, topic: str, payload: bytes) -> bool:
        """Take in an announcement; returns whether the entities are others now."""
        reader = self._zigbee2mqtt if topic in self._bridge else self._discovery
        return reader.update(topic, payload) if reader else False

    @property
    def entities(self) -> Mapping[str, Entity]:
        """The entities by id; of one that both announce, as discovery has it."""
        found = dict(self._discovery.entities) if self._discovery else {}
        known = {(each.device.kind, each.device.unique_id) for each in found.values()}
        for name, each in self._zigbee2mqtt.entities.items() if self._zigbee2mqtt else ():
            if not each.device.unique_id or (each.device.kind, each.device.unique_id) not in known:
                found[name] = each
        return found

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of what is announced and no device of a house, by the reason."""
        return self._discovery.ignored if self._discovery else {}

    @property
    def problems(self) -> Mapping[str, str]:
        """Why something cannot be read, by its topic."""
        readers = (self._discovery, self._zigbee2mqtt)
        return {topic: why for each in readers if each for topic, why in each.problems.items()}
