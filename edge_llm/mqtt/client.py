"""A connection to the broker that comes back by itself. The only importer of paho.

Knows nothing of requests and replies. Callbacks run on the network thread and must not block.
"""

import logging
from collections.abc import Callable
from threading import Event, Thread, Timer
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge_llm.config import MqttSettings

log = logging.getLogger(__name__)

OnMessage = Callable[[str, bytes, bool], None]
"""Topic, payload, retained."""

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_MAX_BACKOFF_S = 30
_CONNACK_S = 3.0
"""A broker that is silent for so long does not understand version 5."""


class Connection:
    """One MQTT client: connects in the background, tries forever, resubscribes after every reconnect."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        subscriptions: tuple[str, ...],
        on_message: OnMessage,
        on_ready: Callable[[], None],
        last_will: tuple[str, bytes] | None = None,
    ) -> None:
        """``on_ready`` runs each time the subscriptions are confirmed; the will is retained."""
        self._settings = settings
        self._secret = settings.secret()
        self._client_id = client_id
        self._subscriptions = [(topic, 1) for topic in subscriptions]
        self._on_message = on_message
        self._on_ready = on_ready
        self._last_will = last_will
        self._ready = Event()
        self._stopped = False
        self._answered = False
        self._fall_back = False
        self._reported: str | None = None
        self._protocols = list(_PROTOCOLS) if settings.protocol == "auto" else [settings.protocol]
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
    def failure(self) -> str | None:
        """Why there is no connection now; None when there is one, or no try has failed yet."""
        return self._reported

    def start(self) -> None:
        """Begin to connect, on a thread of its own."""
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait for the first confirmed subscription."""
        return self._ready.wait(timeout_s)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> paho.MQTTMessageInfo:
        """Send at QoS 1; kept and sent again by itself until the broker has acknowledged it."""
        return self._client.publish(topic, payload, qos=1, retain=retain)

    def stop(self, farewell: tuple[str, bytes] | None = None, timeout_s: float = 2.0) -> None:
        """Publish a retained ``farewell`` if there is one, disconnect cleanly and end the thread."""
        if farewell and self.ready:
            info = self.publish(*farewell, retain=True)
            try:
                info.wait_for_publish(timeout_s)
            except (RuntimeError, ValueError) as error:  # the connection went away meanwhile: the will speaks
                log.debug("mqtt.farewell_lost reason=%s", error)
        self._stopped = True
        self._client.disconnect()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _build(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=_PROTOCOLS[self.protocol]
        )
        client.username_pw_set(self._settings.username, self._secret)
        client.reconnect_delay_set(1, _MAX_BACKOFF_S)
        if self._last_will:
            client.will_set(*self._last_will, qos=1, retain=True)
        client.on_socket_open = self._opened
        client.on_connect = self._connected
        client.on_connect_fail = lambda *_: self._report("unreachable")
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = lambda _client, _data, message: self._on_message(
            message.topic, bytes(message.payload), message.retain
        )
        return client

    def _run(self) -> None:
        while not self._stopped:
            self._client.connect_async(self._settings.host, self._settings.port, self._settings.keepalive_s)
            self._client.loop_forever(retry_first_connection=True)
            if not self._fall_back:
                return
            self._fall_back = self._answered = False
            self._protocols.pop(0)
            self._client = self._build()

    def _opened(self, client: paho.Client, _data: Any, _socket: Any) -> None:
        if len(self._protocols) > 1 and not self._answered:
            timer = Timer(_CONNACK_S, lambda: None if self._answered else self._try_older(client))
            timer.daemon = True
            timer.start()

    def _connected(
        self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any
    ) -> None:
        self._answered = True
        if reason.is_failure:
            if reason == ReasonCode(PacketTypes.CONNACK, "Unsupported protocol version"):
                self._try_older(client)
            if not self._fall_back:
                self._report(str(reason).lower())
            return
        self._reported = None
        log.info(
            "mqtt.connected host=%s port=%d protocol=%s",
            self._settings.host,
            self._settings.port,
            self.protocol,
        )
        client.subscribe(self._subscriptions)

    def _subscribed(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _props: Any
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            log.error("mqtt.subscription_refused reason=%s", refused[0])
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
        else:
            self._report(str(reason).lower())

    def _try_older(self, client: paho.Client) -> None:
        if len(self._protocols) > 1:
            log.info("mqtt.fall_back from=%s to=%s", *self._protocols[:2])
            self._fall_back = True
            client.disconnect()

    def _report(self, reason: str) -> None:
        """One line a change, not one a try."""
        if reason != self._reported:
            self._reported = reason
            log.warning(
                "mqtt.disconnected host=%s port=%d reason=%r; trying again until it works",
                self._settings.host,
                self._settings.port,
                reason,
            )
