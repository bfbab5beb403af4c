"""Joins the house with the connection: takes what its sources publish, and says what has become of it."""

from collections.abc import Callable
from threading import Condition, Thread

from edge_llm.config import HouseSettings
from edge_llm.contract.house import House
from edge_llm.contract.node import HouseInfo
from edge_llm.contract.topics import Topics
from edge_llm.event_log import EventLog, RateLimitedLog, stack_of
from edge_llm.house.sources.catalogue import DEVICES, MAX_SOURCES, Announced, Catalogue
from edge_llm.house.sources.file import read_house
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription

log = EventLog(__name__)

_STOP_S = 2.0


class HouseFeed:
    """Owns the catalogue, and the thread ``house`` that reads and merges what comes.

    That takes up to 0.1 s with a house of 1 MB, which must not hold up the network thread. Of several
    payloads of one source that come meanwhile the last counts.
    """

    def __init__(
        self,
        settings: HouseSettings,
        topics: Topics,
        on_change: Callable[[House | None], None],
        publish_info: Callable[[], None],
    ) -> None:
        """Begin with the house of ``settings.file``, if that is set.

        ``on_change`` runs on the thread ``house`` with each new house, and at the start if there is one; it
        may take its time. ``info`` says that the house is ready when it has returned. ``publish_info`` runs
        there, too, each time that ``info`` is another.

        Raises:
            ConfigError: the file cannot be used.
        """
        self._topics = topics
        self._on_change = on_change
        self._publish_info = publish_info
        self._catalogue = Catalogue(read_house(settings.file) if settings.file else None)
        self._ready = False
        self._published: HouseInfo | None = None
        self._ignored = RateLimitedLog(log)
        self._pending: dict[str, bytes | Announced] = {}
        self._due = Condition()
        self._stopping = False
        self._thread = Thread(target=self._run, name="house", daemon=True)

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """Made on demand: a broker that refuses it must not keep the node from serving."""
        return {self._topics.house: Subscription(self.on_message, on_demand=True)}

    @property
    def info(self) -> HouseInfo | None:
        """What is known of the house; None where no source describes one."""
        now = self._catalogue.snapshot
        if now.house is None and not now.problems:
            return None
        house = now.house or House()
        return HouseInfo(
            devices=len(house.devices),
            areas=len(house.areas),
            sources=now.sources,
            language=now.house and now.house.language,
            problems=dict(now.problems) or None,
            ready=self._ready,
        )

    def start(self) -> None:
        """Begin to take what comes."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what takes longer is left to end with the process."""
        with self._due:
            self._stopping = True
            self._due.notify()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def announce(self, house: House, problem: str | None) -> None:
        """Take the house of the devices that announce themselves, and what is wrong with it; any thread."""
        with self._due:
            self._pending[DEVICES] = Announced(house, problem)
            self._due.notify()

    def is_source(self, client: str) -> bool:
        """Whether a client describes devices itself."""
        return client in self._catalogue.snapshot.sources

    def on_message(self, message: Message) -> None:
        """Keep a payload for the thread; runs on the network thread."""
        source = self._topics.house_source(message.topic)
        with self._due:
            full = len(self._pending) >= MAX_SOURCES and source not in self._pending
            if source and not full:
                self._pending[source] = message.payload
                self._due.notify()
        if source is None or full:
            self._ignored.info("house.ignored", reason="too many sources" if source else "no legal source")
        message.acknowledge()  # the broker retains it

    def _run(self) -> None:
        changed = self._catalogue.house is not None
        while True:
            if changed:
                self._apply()
            self._tell()
            pending = self._take_pending()
            if not pending:
                return
            changed = self._update(pending)

    def _take_pending(self) -> dict[str, bytes | Announced]:
        """Wait for payloads; none when the node stops."""
        with self._due:
            self._due.wait_for(lambda: self._pending or self._stopping)
            pending, self._pending = self._pending, {}
            return {} if self._stopping else pending

    def _update(self, pending: dict[str, bytes | Announced]) -> bool:
        """Give payloads to the catalogue; returns whether the house is another now."""
        changed = False
        for source, payload in pending.items():
            try:
                if isinstance(payload, Announced):
                    changed |= self._catalogue.use(payload)
                else:
                    changed |= self._catalogue.update(source, payload)
            except Exception as error:  # noqa: BLE001 - whatever one holds, the thread goes on
                _log_failure(error)
        return changed

    def _apply(self) -> None:
        """Have the newest house act."""
        self._ready = False
        self._tell()
        house = self._catalogue.house
        log.info("house.changed", devices=len(house.devices) if house else 0)
        try:
            self._on_change(house)
            self._ready = house is not None
        except Exception as error:  # noqa: BLE001 - the house before it goes on, and so does the thread
            _log_failure(error)

    def _tell(self) -> None:
        """Publish info if it says anything new of the house."""
        now = self.info
        if now != self._published:
            self._published = now
            self._publish_info()


def _log_failure(error: Exception) -> None:
    log.error("house.failed", error=type(error).__name__, stack=stack_of(error))
