"""Reads from the broker what there is of a house, as a node would: for `edge-llm house` and `check`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Condition
from time import monotonic
from uuid import uuid4

from edge_llm.config import MqttSettings, Settings
from edge_llm.contract.house import House
from edge_llm.contract.topics import Topics
from edge_llm.errors import RequestError
from edge_llm.gateway.routes import filters_of
from edge_llm.house.announced.accepted import accepted_of
from edge_llm.house.announced.sources import DeviceSources
from edge_llm.house.discovery.as_house import house_of
from edge_llm.house.discovery.entity import Entity
from edge_llm.house.sources.catalogue import Announced, Catalogue, Snapshot
from edge_llm.house.sources.file import read_house
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription

_CONNECT_S = 12.0
_QUIET_S = 1.0
"""Seconds without a message after which the broker has handed out what it had kept."""
_LONGEST_S = 20.0


@dataclass(frozen=True)
class FoundHouse:
    """A house as the broker and a configuration describe it."""

    snapshot: Snapshot
    """Of all sources; the devices that are accepted among them."""
    entities: Mapping[str, Entity]
    """All that is announced, by id."""
    accepted: Mapping[str, Entity]
    unread: Mapping[str, str]
    """Why an announcement cannot be read, by its topic."""
    left_out: Mapping[str, int]
    """Number of what is announced and no device of a house, by the reason."""

    @property
    def house(self) -> House:
        """The house; empty where no source describes one."""
        return self.snapshot.house or House()


def find_house(settings: Settings, topics: Topics, progress: Callable[[int], None]) -> FoundHouse:
    """Read what the broker keeps of the house; ``progress`` gets the number of messages from time to time.

    Raises:
        ConfigError: a file of the settings cannot be used.
        RequestError: unavailable: the broker cannot be reached.
    """
    own = settings.house
    catalogue = Catalogue(read_house(own.file) if own.file else None)
    routes = filters_of(settings.routes)
    sources = DeviceSources(own.discovery, own.zigbee2mqtt, topics.base, routes)
    messages = _retained(settings.mqtt, (topics.house, *sources.filters), progress)
    for topic, payload in messages.items():
        if source := topics.house_source(topic):
            catalogue.update(source, payload)
        else:
            sources.update(topic, payload)
    entities = sources.entities
    accepted = accepted_of(entities, own.accept)
    catalogue.use(Announced(house_of(accepted, own.language, own.area_pattern)))
    return FoundHouse(catalogue.snapshot, entities, accepted, sources.problems, sources.left_out)


def _retained(
    mqtt: MqttSettings, filters: tuple[str, ...], progress: Callable[[int], None]
) -> dict[str, bytes]:
    """Read the retained messages of some filters, by their topics."""
    found: dict[str, bytes] = {}
    changed = Condition()
    last = monotonic()

    def on_message(message: Message) -> None:
        nonlocal last
        with changed:
            found[message.topic], last = message.payload, monotonic()
        message.acknowledge()

    subscriptions = dict.fromkeys(filters, Subscription(on_message, qos=0))
    connection = Connection(mqtt, f"edge_llm-house-{uuid4().hex[:8]}", subscriptions)
    connection.start()
    try:
        if not connection.wait_ready(_CONNECT_S):
            reason = connection.failure or "no answer"
            raise RequestError("unavailable", f"the broker at {mqtt.host}:{mqtt.port}: {reason}")
        began = last = monotonic()
        with changed:
            while monotonic() < min(last + _QUIET_S, began + _LONGEST_S):
                changed.wait(_QUIET_S / 4)
                progress(len(found))
    finally:
        connection.stop()
    return found
