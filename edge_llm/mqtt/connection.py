"""A connection to the broker that comes back by itself.

Knows nothing of requests and replies. Callbacks run on the network thread and must not block.
"""

import socket
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from typing import Literal

from edge_llm.config import MqttSettings
from edge_llm.event_log import EventLog, stack_of
from edge_llm.mqtt import link as links
from edge_llm.mqtt.attempts import Attempts
from edge_llm.mqtt.diagnosis import Diagnosis
from edge_llm.mqtt.inbox import Inbox
from edge_llm.mqtt.link import Identity, Link
from edge_llm.mqtt.message import Message, OnSent
from edge_llm.mqtt.sending.delivery import Delivery
from edge_llm.mqtt.sending.publication import Publication
from edge_llm.mqtt.subscriptions import DurableSession, Subscription, subscription_of
from edge_llm.mqtt.tls import tls_context

log = EventLog(__name__)

_CONGESTED = 16
"""Publishes that the broker has not acknowledged; fewer than are sent at a time."""
_TURN_S = 1.0
_SOON_S = 30.0
"""A broker that ends a connection within this time may do so because another client has the same id."""


class Connection:
    """One MQTT client: connects in the background, tries forever, resubscribes after every reconnect."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        subscriptions: Mapping[str, Subscription],
        on_ready: Callable[[], None] = lambda: None,
        last_will: tuple[str, bytes] | None = None,
        durable: DurableSession | None = None,
    ) -> None:
        """Subscribe to the filters of ``subscriptions``, whose handlers get what comes.

        ``on_ready`` runs each time that the subscriptions are confirmed; the will is retained.

        Raises:
            ConfigError: a file of the settings cannot be used.
        """
        self._subscriptions = subscriptions
        self._on_ready = on_ready
        self._durable = durable
        self._identity = Identity(
            settings,
            settings.secret(),
            tls_context(settings) if settings.tls else None,
            client_id,
            last_will,
            durable.receive_maximum if durable else None,
        )
        self._attempts = Attempts(settings)
        self._diagnosis = Diagnosis(settings, client_id)
        self._inbox = Inbox(subscriptions, self._wake, durable=durable is not None)
        self._delivery = Delivery(durable.echo_topic if durable else None)
        self._outbox = self._delivery.outbox
        self._due: deque[Callable[[Link], object]] = deque()  # subscriptions to make or to end
        self._subscribed_by: int | None = None
        self._ready = Event()
        self._stopping = Event()
        self._stop_by = 0.0
        self._abrupt = False
        self._waker: socket.socket | None = None
        self._thread = Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def protocol(self) -> str:
        """The MQTT version in use: ``5`` or ``3.1.1``."""
        return self._attempts.version

    @property
    def ready(self) -> bool:
        """Whether the broker is connected and has confirmed the subscriptions."""
        return self._ready.is_set()

    @property
    def congested(self) -> bool:
        """Whether the broker acknowledges more slowly than a healthy one."""
        return len(self._outbox) >= _CONGESTED

    @property
    def failure(self) -> str | None:
        """Reason why there is no connection, or none that lasts; None where no try has failed yet."""
        return self._diagnosis.failure

    @property
    def contested(self) -> str | None:
        """Warning for people that another client seems to use the same id; else None."""
        return self._diagnosis.contested

    @property
    def packet_limit(self) -> int | None:
        """The largest packet that the broker takes, in bytes; None where no limit is known."""
        return self._delivery.limit.bytes

    def room(self, topic: str, expiry_s: int | None = None, correlation: bytes | None = None) -> int | None:
        """The largest payload for ``topic`` in bytes, in JSON; None where no limit is known."""
        limit, frame = self.packet_limit, b"{}"
        around = Publication(topic, frame, expiry_s=expiry_s, correlation=correlation)
        return None if limit is None else limit - around.packet_bytes("5") + len(frame)

    def start(self) -> None:
        """Begin to connect, on a thread of its own."""
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait for the first confirmed subscription."""
        return self._ready.wait(timeout_s)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: Literal[0, 1, 2] = 1,
        retain: bool = False,
        kept: bool = True,
        on_sent: OnSent | None = None,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
        response_topic: str | None = None,
    ) -> None:
        """Send at QoS 1; kept and sent again by itself until the broker has acknowledged it.

        ``on_sent`` runs then, or when it is known that the broker does not take it. At QoS 0, or not ``kept``
        it is sent now or never, and nobody learns which. 3.1.1 has no expiry, correlation, response topic.
        """
        if not (qos and kept) and not self.ready:
            return
        self._outbox.put(
            Publication(topic, payload, qos, retain, on_sent, expiry_s, correlation, response_topic, kept)
        )
        self._wake()

    def subscribe(self, *topic_filters: str) -> None:
        """Subscribe to filters on demand, or to topics that they match, while the connection lasts."""
        found = [(each, subscription_of(each, self._subscriptions)) for each in topic_filters]
        self._due.append(lambda link: link.subscribe([(each, its.qos) for each, its in found if its]))
        self._wake()

    def unsubscribe(self, topic_filter: str) -> None:
        """End a subscription."""
        self._due.append(lambda link: link.unsubscribe(topic_filter))
        self._wake()

    def stop(self, final_message: tuple[str, bytes] | None = None, timeout_s: float = 2.0) -> None:
        """Publish a retained ``final_message`` if there is one, disconnect cleanly and end the thread."""
        if final_message and self.ready:
            sent = Event()
            self.publish(*final_message, retain=True, on_sent=lambda _outcome: sent.set())
            self._abrupt = not sent.wait(timeout_s)  # then the will has to say it
        self._stop_by = monotonic() + timeout_s
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s + _TURN_S)

    def _wake(self) -> None:
        """Have the network thread look at once."""
        if self._waker:
            with suppress(OSError):  # full: it is awake; closed: it has ended
                self._waker.send(b"!")

    def _run(self) -> None:
        waker, wake = socket.socketpair()
        with waker, wake:
            waker.setblocking(False)  # noqa: FBT003 - socket's
            self._waker = waker
            while not self._stopping.is_set():
                self._stopping.wait(self._attend(wake))

    def _attend(self, wake: socket.socket) -> float:
        """Connect once, and stay until the connection ends; returns the pause until the next time.

        Whatever the network brings, this thread goes on.
        """
        version, pause_s, link = self._attempts.version, None, None
        try:
            link = Link(self._identity, version, self._inbox.acknowledge)
            pause_s = self._serve(link, wake)
        except OSError as error:
            self._diagnosis.report_error(error)
        except Exception as error:  # noqa: BLE001 - whosever fault it is, a new connection may be better
            log.error("mqtt.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - it quotes no payload, as a traceback might
            self._diagnosis.report(f"what came from the broker cannot be dealt with ({type(error).__name__})")
            pause_s = None if self._delivery.suspicious else self._attempts.unanswered()
        finally:
            self._ready.clear()
            if link:
                link.abandon()
            self._delivery.lost(version)
        return self._attempts.ended() if pause_s is None else pause_s

    def _serve(self, link: Link, wake: socket.socket) -> float:
        """Do what comes until the connection ends; returns the pause that this end calls for."""
        link.open()
        silent_at = monotonic() + self._attempts.connack_s
        while True:
            link.turn(wake, _TURN_S)
            while link.events:
                event = link.events.popleft()
                if isinstance(event, links.Refused):
                    return self._refused(event)
                if isinstance(event, links.Closed):
                    return self._closed(link, event)
                self._take(link, event)
            if link.accepted_at is not None:
                self._send_due(link)
            elif monotonic() >= silent_at:
                return self._unanswered("no answer", silent=True)
            if self._stopping.is_set() and (monotonic() >= self._stop_by or not self._delivery.suspicious):
                if not self._abrupt:
                    link.close()
                return 0.0

    def _send_due(self, link: Link) -> None:
        while self._due:  # first: what is published after ``subscribe`` is to come back
            self._due.popleft()(link)
        self._delivery.send_due(link)
        for packet_id in self._inbox.take_due():
            link.acknowledge(packet_id)

    def _take(self, link: Link, event: links.Event) -> None:
        match event:
            case Message():
                self._inbox.begun(event)
                if not self._delivery.heard(link, event):
                    self._inbox.deliver(event)
            case links.Acknowledged(packet_id, outcome):
                self._delivery.acknowledged(link, packet_id, outcome)
            case links.Accepted():
                self._accepted(link, event)
            case links.Subscribed(packet_id, refused):
                self._subscribed(packet_id, refused)

    def _accepted(self, link: Link, event: links.Accepted) -> None:
        self._attempts.accepted()
        self._diagnosis.clear()
        self._inbox.begin()
        self._due.clear()
        self._delivery.begin(link, event)
        if self._durable:
            self._durable.on_connected(event.session_present)
        at, limit = self._identity.settings, event.maximum_packet_bytes
        log.info("mqtt.connected", host=at.host, port=at.port, protocol=link.version, packet_limit=limit)
        filters = [(each, its.qos) for each, its in self._subscriptions.items() if not its.on_demand]
        self._subscribed_by = link.subscribe(filters)

    def _subscribed(self, packet_id: int, refused: str | None) -> None:
        if self._delivery.subscribed(packet_id, refused):
            return
        if refused:
            log.error("mqtt.subscription_refused", reason=refused)
            self._diagnosis.text = (
                "the broker refuses a subscription: does its ACL let this user read the topics?"
            )
        elif packet_id == self._subscribed_by:
            self._on_ready()
            self._ready.set()

    def _refused(self, event: links.Refused) -> float:
        if event.version and not self._attempts.last_of_round:
            log.info("mqtt.fall_back", before=self._attempts.version)
            return self._attempts.version_refused()
        self._diagnosis.report(event.reason)
        return self._attempts.ended()

    def _closed(self, link: Link, event: links.Closed) -> float:
        if self._stopping.is_set():
            return 0.0
        if link.accepted_at is None:  # without a word: how some 3.1.1 brokers answer version 5
            return self._unanswered(event.reason)
        doubt = self._delivery.suspicious
        soon = monotonic() < link.accepted_at + _SOON_S and not doubt
        self._diagnosis.report_end(event.reason, soon=soon, taken_over=event.taken_over)
        return self._attempts.unanswered() if event.unreadable and not doubt else self._attempts.ended()

    def _unanswered(self, reason: str, *, silent: bool = False) -> float:
        """Try the next version, if there is one left in this round; returns the pause."""
        before, last = self._attempts.version, self._attempts.last_of_round
        pause_s = self._attempts.unanswered(silent=silent)
        if last:
            self._diagnosis.report_strange(reason)
        elif self._diagnosis.text is None:
            log.info("mqtt.fall_back", before=before)
        return pause_s
