"""Hands what comes from the broker to its handlers, and acknowledges it in order of arrival."""

from collections.abc import Callable, Mapping
from threading import Lock

from edge_llm.event_log import EventLog, RateLimitedLog, stack_of
from edge_llm.mqtt.acks import InOrder
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription, subscription_of

log = EventLog(__name__)


class Inbox:
    """Messages received and not yet acknowledged, over all connections; any thread may ``acknowledge``."""

    def __init__(
        self, subscriptions: Mapping[str, Subscription], on_due: Callable[[], None], *, durable: bool
    ) -> None:
        """``on_due`` runs when something may be acknowledged; ``durable``: the broker keeps it until then."""
        self._subscriptions = subscriptions
        self._on_due = on_due
        self._durable = durable
        self._lock = Lock()
        self._unacknowledged: InOrder[Message] = InOrder()
        self._due: list[int] = []
        self._ignored = RateLimitedLog(log)

    def begin(self) -> None:
        """Begin at a new connection: the broker sends again what was not acknowledged."""
        with self._lock:
            self._unacknowledged.clear()
            self._due.clear()

    def begun(self, message: Message) -> None:
        """Take in that a message came, before anybody can acknowledge it."""
        if self._durable and message.qos1:
            with self._lock:
                self._unacknowledged.begin(message)

    def deliver(self, message: Message) -> None:
        """Give a message to its handler; whatever it holds, that ends nothing."""
        taker = subscription_of(message.topic, self._subscriptions) if message.topic else None
        if taker is None:  # no UTF-8, or subscribed to by an earlier configuration, and the broker goes on
            self._ignored.info("mqtt.ignored", retained=message.retained, readable=bool(message.topic))
            message.acknowledge()
            return
        try:
            taker.on_message(message)
        except Exception as error:  # noqa: BLE001 - nothing may end the network thread
            # Without its message, which may quote a prompt.
            self._ignored.info("mqtt.unreadable", error=type(error).__name__, stack=stack_of(error))
            message.acknowledge()

    def acknowledge(self, message: Message) -> None:
        """Acknowledge to the broker, which learns of it in order of arrival.

        Without effect on a message of an earlier connection.
        """
        with self._lock:
            self._due.extend(first.packet_id for first in self._unacknowledged.finish(message))
        self._on_due()

    def take_due(self) -> list[int]:
        """Take the packet ids that are to be acknowledged now."""
        with self._lock:
            due, self._due = self._due, []
        return due
