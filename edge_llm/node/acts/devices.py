"""Joins the devices that announce themselves with the broker: follows them, and moves them.

By a connection of its own: what devices say must not take the room of requests, and hundreds of announcements
must not hold up one. Where the node moves devices the broker keeps its session, for the notes of what was
sent: they must come while requests wait for them.
"""

from collections import deque
from collections.abc import Callable, Mapping
from threading import Condition, Thread
from time import monotonic

from edge_llm.config import HouseSettings, MqttSettings
from edge_llm.contract.house import Device, House
from edge_llm.contract.topics import Topics
from edge_llm.errors import ConfigError
from edge_llm.event_log import EventLog, RateLimitedLog, stack_of
from edge_llm.house.announced.accepted import accepted_of
from edge_llm.house.announced.sources import DeviceSources
from edge_llm.house.announced.states import UNAVAILABLE, UNKNOWN, DeviceState, DeviceStates, Told
from edge_llm.house.discovery.as_house import house_of
from edge_llm.house.discovery.entity import STATE, Entity, Publish
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import DurableSession, Subscription

log = EventLog(__name__)

_SETTLE_S = 0.3
"""Seconds without an announcement after which the house is made anew: they come in hundreds."""
_LONGEST_SETTLE_S = 2.0
_LOOK_EVERY_S = 5.0
"""Seconds between two looks at the file of accepted devices."""
_MOST_PENDING_BYTES = 2**25
_MOST_NOTES = 100
"""Maximum number of notes that the broker hands out before they are acknowledged."""
_MESSAGE_BYTES = 500
"""What a message takes in memory beside its payload, about: empty ones count, too."""
_MOST_FILTERS = 50
"""Maximum number of topics in one packet that subscribes."""
_STOP_S = 2.0


class DeviceFeed:
    """Owns the connection for devices, and the thread ``devices`` that reads what comes.

    ``entity``, ``state`` and ``observed`` are for any thread.
    """

    def __init__(
        self,
        settings: HouseSettings,
        mqtt: MqttSettings,
        topics: Topics,
        on_house: Callable[[House, str | None], None],
        told: Condition,
        routes: tuple[str, ...] = (),
        *,
        moves: bool = False,
        client_id: str | None = None,
    ) -> None:
        """``on_house`` gets each new house, with what is wrong with it, on the thread ``devices``.

        No device may name a topic that the filters ``routes`` match. ``told`` is notified at each new state,
        and at each note of a node that ``moves`` devices. ``client_id`` is that of the connection; by default
        one of the node.

        Raises:
            ConfigError: a file of the settings cannot be used.
        """
        self._settings = settings
        self._on_house = on_house
        self._told = told
        self._sources = DeviceSources(settings.discovery, settings.zigbee2mqtt, topics.base, routes)
        self._states = DeviceStates()
        self._entities: Mapping[str, Entity] = {}
        self._by_unique_id: Mapping[tuple[str, str], Entity] = {}
        self._pending: deque[Message] = deque()
        self._pending_bytes = 0
        self._due = Condition()
        self._stopping = False
        self._subscribed: frozenset[str] = frozenset()
        self._house: House | None = None
        self._problem: str | None = None
        self._accepted_at: float | None = None
        self._dropped = RateLimitedLog(log)
        self.connections = 0
        """Number of times that the broker was reached: what was sent before may be lost."""
        self._note_topic = topics.acted
        self._notes: list[Message] = []
        noted = {topics.acted: Subscription(self._on_note)} if moves else {}
        announced = dict.fromkeys(self._sources.filters, Subscription(self._on_message, qos=0))
        stated = {"#": Subscription(self._on_message, qos=0, on_demand=True)}
        self._connection = Connection(
            mqtt,
            client_id or f"{topics.client_id}-devices",
            noted | announced | stated,
            on_ready=self._on_ready,
            durable=DurableSession(_MOST_NOTES, lambda _present: None) if moves else None,
        )
        self._thread = Thread(target=self._run, name="devices", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether the broker is connected."""
        return self._connection.ready

    def start(self) -> None:
        """Begin to follow them."""
        self._thread.start()
        self._connection.start()

    def stop(self) -> None:
        """End both threads."""
        self._connection.stop()
        with self._due:
            self._stopping = True
            self._due.notify()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def publish(self, message: Publish) -> None:
        """Send a message that moves a device: now or never, exactly as it was announced."""
        self._connection.publish(
            message.topic, message.payload.encode(), qos=message.qos, retain=message.retain, kept=False
        )

    def note(self, text: str, *, kept: bool = False) -> None:
        """Send a note to oneself: now or never, behind the messages of an act, or until the broker has it."""
        self._connection.publish(self._note_topic, text.encode(), kept=kept)

    def take_notes(self) -> list[Message]:
        """The notes that have come; each comes again unless it is acknowledged."""
        with self._told:
            notes, self._notes = self._notes, []
        return notes

    def entity(self, device: Device) -> Entity | None:
        """The entity of a device of the house: by its id, or by the maker's, which sources share."""
        found = self._entities.get(device.id)
        if found is None and device.unique_id:
            found = self._by_unique_id.get((device.kind, device.unique_id))
        return found if found and found.device.kind == device.kind else None

    def state(self, entity: str) -> DeviceState | None:
        """What an entity has told, by its id."""
        return self._states.of(entity)

    def told(self, entity: str) -> Told:
        """What an entity has told by now."""
        return self._states.told(entity)

    def tells_state(self, entity: Entity) -> bool:
        """Whether an entity is one whose state is followed."""
        return self._settings.states and any(each.of == STATE for each in entity.readings)

    def observed(self, device: Device) -> Device:
        """A device of the house with the state that it has told, where states are followed."""
        entity = self.entity(device)
        if entity is None or not self._settings.states:
            return device
        state = self._states.of(entity.device.id) or DeviceState()
        attributes = device.attributes | entity.device.attributes | state.attributes
        said = (state.state or UNKNOWN) if state.available else UNAVAILABLE
        return device.model_copy(update={"state": said, "attributes": attributes})

    def age_s(self, device: Device) -> float | None:
        """Seconds since a device has told its state; None where nobody knows."""
        entity = self.entity(device)
        state = entity and self._states.of(entity.device.id)
        return state.age_s() if state else None

    def _on_ready(self) -> None:
        with self._due:  # all of it: meanwhile the thread may follow other devices
            self.connections += 1
            subscribed, self._subscribed = self._subscribed, frozenset()
            self._subscribe(subscribed)

    def _subscribe(self, wanted: frozenset[str]) -> None:
        """Follow these topics and no others, of those that devices tell their states on."""
        with self._due:
            new, old = sorted(wanted - self._subscribed), self._subscribed - wanted
            self._subscribed = wanted
            for topic in old:
                self._connection.unsubscribe(topic)
            for at in range(0, len(new), _MOST_FILTERS):
                self._connection.subscribe(*new[at : at + _MOST_FILTERS])

    def _on_note(self, message: Message) -> None:
        with self._told:
            self._notes.append(message)
            self._told.notify_all()

    def _on_message(self, message: Message) -> None:
        """Keep a message for the thread; on the network thread."""
        size = _MESSAGE_BYTES + len(message.payload)
        with self._due:
            full = self._pending_bytes + size > _MOST_PENDING_BYTES
            if not full:
                self._pending.append(message)
                self._pending_bytes += size
                self._due.notify()
        if full:
            self._dropped.info("devices.dropped", reason="more comes than can be read")
        message.acknowledge()

    def _run(self) -> None:
        changed_at: float | None = None
        quiet_at = 0.0
        while True:
            timeout_s = _LOOK_EVERY_S
            if changed_at is not None:
                timeout_s = max(0.0, min(quiet_at, changed_at + _LONGEST_SETTLE_S) - monotonic())
            with self._due:
                if not self._pending and not self._stopping and timeout_s:
                    self._due.wait(timeout_s)
                if self._stopping:
                    return
                messages, self._pending, self._pending_bytes = self._pending, deque(), 0
            try:
                if self._take(messages):
                    changed_at, quiet_at = changed_at or monotonic(), monotonic() + _SETTLE_S
                due = changed_at and monotonic() >= min(quiet_at, changed_at + _LONGEST_SETTLE_S)
                if due or (changed_at is None and self._accept_changed()):
                    changed_at = None
                    self._rebuild()
            except Exception as error:  # noqa: BLE001 - whatever devices say, the thread goes on
                _log_failure(error)
                changed_at = None

    def _take(self, messages: deque[Message]) -> bool:
        """Read messages; returns whether devices were announced, or others than before."""
        announced = told = False
        for message in messages:
            try:
                if self._sources.matches(message.topic):
                    announced |= self._sources.update(message.topic, message.payload)
                else:
                    told |= self._states.update(message.topic, message.payload, retained=message.retained)
            except Exception as error:  # noqa: BLE001 - whatever one of them holds, the others count
                _log_failure(error)
        if told:
            with self._told:
                self._told.notify_all()
        return announced

    def _accept_changed(self) -> bool:
        return self._accept_time() != self._accepted_at

    def _accept_time(self) -> float | None:
        accept = self._settings.accept
        if accept is None or accept == "all":
            return None
        try:
            return accept.stat().st_mtime
        except OSError:
            return None

    def _rebuild(self) -> None:
        """Make the house of what is announced and accepted, and follow its states."""
        self._accepted_at = self._accept_time()
        announced = self._sources.entities
        try:
            entities, problem = accepted_of(announced, self._settings.accept), None
        except ConfigError as error:
            entities, problem = {}, str(error)
        if left := len(announced) - len(entities):
            waiting = f"{left} devices are not accepted: see edge-llm house"
            problem = f"{problem}; {waiting}" if problem else waiting
        house = house_of(entities, self._settings.language, self._settings.area_pattern)
        self._entities = entities
        self._by_unique_id = {
            (each.device.kind, each.device.unique_id): each
            for each in entities.values()
            if each.device.unique_id
        }
        if self._settings.states:
            self._states.follow(entities)
            self._subscribe(self._states.topics)
        if (house, problem) != (self._house, self._problem):
            self._house, self._problem = house, problem
            log.info("devices.changed", devices=len(entities), announced=len(announced))
            self._on_house(house, problem)


def _log_failure(error: Exception) -> None:
    log.error(
        "devices.failed", error=type(error).__name__, stack=stack_of(error)
    )  # a message may quote names
