"""A connection to the broker that comes back by itself.

Knows nothing of requests and replies. Callbacks run on the network thread and must not block.
"""

import ssl
import sys
from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread, Timer
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge_llm.config import MqttSettings
from edge_llm.event_log import EventLog, RateLimitedLog
from edge_llm.mqtt.acks import InOrder
from edge_llm.mqtt.message import Message, OnSent
from edge_llm.mqtt.outbox import Outbox
from edge_llm.mqtt.properties import connect_properties, plain_message, publish_properties
from edge_llm.mqtt.subscriptions import DurableSession, Subscription, handler_of
from edge_llm.mqtt.tls import tls_context

log = EventLog(__name__)

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_MAX_BACKOFF_S = 30
_CONNACK_S = 3.0
"""Seconds of silence after which a broker is taken not to understand version 5."""
_SESSION_EXPIRY_S = 86400
"""Seconds for which the broker keeps requests for a node that is away."""
_MAX_PACKET_BYTES = 2**21
"""Maximum size of a packet from the broker: the largest request that can be allowed, with its properties."""
_NOBODY = ReasonCode(PacketTypes.PUBACK, "No matching subscribers")
_CONGESTED = 16
"""Publishes that the broker has not acknowledged; fewer than paho keeps in flight."""


def _nothing() -> None:
    """Do nothing when the connection is ready."""


class Connection:
    """One MQTT client: connects in the background, tries forever, resubscribes after every reconnect."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        subscriptions: Mapping[str, Subscription],
        on_ready: Callable[[], None] = _nothing,
        last_will: tuple[str, bytes] | None = None,
        durable: DurableSession | None = None,
    ) -> None:
        """Subscribe to the filters of ``subscriptions``, whose handlers get what comes.

        ``on_ready`` runs each time that the subscriptions are confirmed; the will is retained.

        Raises:
            ConfigError: a file of the settings cannot be used.
        """
        self._settings = settings
        self._secret = settings.secret()
        self._tls = tls_context(settings) if settings.tls else None
        self._client_id = client_id
        self._subscriptions = subscriptions
        self._on_ready = on_ready
        self._last_will = last_will
        self._durable = durable
        self._ready = Event()
        self._over = Event()
        self._stopped = False
        self._answered = False
        self._fall_back = False
        self._reported: str | None = None
        self._protocols = list(_PROTOCOLS) if settings.protocol == "auto" else [settings.protocol]
        self._lock = Lock()
        self._unacknowledged: InOrder[Message] = InOrder()
        self._subscribed_by: int | None = None
        self._outbox = Outbox()
        self._ignored = RateLimitedLog(log)
        self._connack_timer: Timer | None = None
        self._client = self._build()
        self._thread = Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def protocol(self) -> str:
        """The MQTT version in use: ``5`` or ``3.1.1``."""
        return self._protocols[0]

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
        """Why there is no connection now; None when there is one, or no try has failed yet."""
        return self._reported

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
        qos: Literal[0, 1] = 1,
        retain: bool = False,
        on_sent: OnSent = lambda _heard: None,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
        response_topic: str | None = None,
    ) -> paho.MQTTMessageInfo:
        """Send at QoS 1; kept and sent again by itself until the broker has acknowledged it.

        ``on_sent`` runs then. At QoS 0 it is sent now or never, and nobody learns which. The last three are
        MQTT 5's, and left out on 3.1.1.
        """
        properties = None
        if self.protocol == "5":
            content_type = "application/json" if payload.startswith(b"{") else None
            properties = publish_properties(content_type, expiry_s, correlation, response_topic)
        info = self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        if qos == 1:
            self._outbox.sent(info.mid, on_sent)
        elif info.rc == paho.MQTT_ERR_SUCCESS:
            self._outbox.sent(info.mid, None)
        return info

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe to one of the filters on demand, while the connection lasts."""
        self._client.subscribe(topic_filter, self._subscriptions[topic_filter].qos)

    def unsubscribe(self, topic_filter: str) -> None:
        """End a subscription."""
        self._client.unsubscribe(topic_filter)

    def stop(self, final_message: tuple[str, bytes] | None = None, timeout_s: float = 2.0) -> None:
        """Publish a retained ``final_message`` if there is one, disconnect cleanly and end the thread."""
        if final_message and self.ready:
            info = self.publish(*final_message, retain=True)
            try:
                info.wait_for_publish(timeout_s)
            except (RuntimeError, ValueError) as error:  # the connection went away meanwhile: the will speaks
                log.debug("mqtt.final_message_lost", reason=error)
        self._stopped = True
        self._cancel_timer()
        self._client.disconnect()
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _build(self) -> paho.Client:
        durable = self._durable is not None
        five = self.protocol == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if five else not durable,
            protocol=_PROTOCOLS[self.protocol],
            manual_ack=durable,
        )
        client.username_pw_set(self._settings.username, self._secret)
        if self._tls:
            client.tls_set_context(self._tls)
        client.reconnect_delay_set(1, _MAX_BACKOFF_S)
        if self._last_will:
            client.will_set(*self._last_will, qos=1, retain=True)
        client.on_socket_open = self._opened
        client.on_connect = self._connected
        client.on_connect_fail = lambda *_: self._report(_why(sys.exception()))
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = lambda _client, _data, message: self._arrived(message)
        client.on_publish = lambda _client, _data, mid, reason, _props: self._outbox.acknowledged(
            mid, has_subscribers=reason != _NOBODY
        )
        return client

    def _run(self) -> None:
        while not self._stopped:
            self._connect()
            # Not loop_forever: beside that, publish() writes to the socket on its caller's thread, without a
            # lock, and now and then two packets change places.
            self._client.loop_start()
            self._over.wait()
            self._client.loop_stop()
            if not self._fall_back:
                return
            self._over.clear()
            self._fall_back = self._answered = False
            self._protocols.pop(0)
            self._client = self._build()

    def _connect(self) -> None:
        where = self._settings.host, self._settings.port, self._settings.keepalive_s
        if self.protocol != "5":
            self._client.connect_async(*where)
            return
        durable = self._durable
        properties = connect_properties(
            _MAX_PACKET_BYTES,
            _SESSION_EXPIRY_S if durable else None,
            durable.receive_maximum if durable else None,
        )
        self._client.connect_async(*where, clean_start=durable is None, properties=properties)

    def _arrived(self, message: paho.MQTTMessage) -> None:
        wrapped = plain_message(message, self._acknowledge)
        if self._durable and message.qos:
            with self._lock:
                self._unacknowledged.begin(wrapped)
        handler = handler_of(wrapped.topic, self._subscriptions)
        if handler is None:  # an earlier configuration had subscribed to it, and the broker goes on
            self._ignored.info("mqtt.ignored", retained=wrapped.retained)
            wrapped.acknowledge()
            return
        handler(wrapped)

    def _acknowledge(self, message: Message) -> None:
        """Acknowledge to the broker, which learns of it in order of arrival.

        Without effect on a message of an earlier connection: the broker has sent it again.
        """
        with self._lock:
            for first in self._unacknowledged.finish(message):
                self._client.ack(first.packet_id, 1)

    def _opened(self, client: paho.Client, _data: Any, _socket: Any) -> None:
        if len(self._protocols) > 1 and not self._answered:
            self._cancel_timer()
            self._connack_timer = Timer(
                _CONNACK_S, lambda: None if self._answered else self._try_older(client)
            )
            self._connack_timer.name = "mqtt-connack"
            self._connack_timer.daemon = True
            self._connack_timer.start()

    def _cancel_timer(self) -> None:
        if self._connack_timer:
            self._connack_timer.cancel()

    def _connected(
        self, client: paho.Client, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, _props: Any
    ) -> None:
        self._answered = True
        self._cancel_timer()
        if reason.is_failure:
            if reason == ReasonCode(PacketTypes.CONNACK, "Unsupported protocol version"):
                self._try_older(client)
            if not self._fall_back:
                self._report(str(reason).lower())
            return
        self._reported = None
        with self._lock:  # the broker sends again what was not acknowledged
            self._unacknowledged.clear()
        self._outbox.forget_qos0()
        if self._durable:
            self._durable.on_connected(flags.session_present)
        log.info("mqtt.connected", host=self._settings.host, port=self._settings.port, protocol=self.protocol)
        filters: list[tuple[str, int]] = [
            (each, its.qos) for each, its in self._subscriptions.items() if not its.on_demand
        ]
        _, self._subscribed_by = client.subscribe(filters)

    def _subscribed(
        self, _client: paho.Client, _data: Any, mid: int, reasons: list[ReasonCode], _props: Any
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            log.error("mqtt.subscription_refused", reason=refused[0])
            self._reported = "the broker refuses a subscription: does its ACL let this user read the topics?"
        if refused or mid != self._subscribed_by:
            return
        self._on_ready()
        self._ready.set()

    def _disconnected(
        self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any
    ) -> None:
        self._ready.clear()
        if self._stopped or self._fall_back:
            return
        if not self._answered:  # closed without a word: how some 3.1.1 brokers answer version 5
            self._try_older(client)
        elif self._reported is None:  # else it is known better why
            self._report(str(reason).lower())

    def _try_older(self, client: paho.Client) -> None:
        if len(self._protocols) > 1:
            log.info("mqtt.fall_back", before=self._protocols[0], now=self._protocols[1])
            self._fall_back = True
            client.disconnect()
            self._over.set()

    def _report(self, reason: str) -> None:
        """One line a change, not one a try."""
        if reason != self._reported:
            self._reported = reason
            log.warning(
                "mqtt.disconnected", host=self._settings.host, port=self._settings.port, reason=reason
            )


def _why(error: BaseException | None) -> str:
    """The reason in a failed attempt to connect."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    return (getattr(error, "strerror", None) or str(error) or "unreachable").lower()
