"""One connection to the broker by paho, from its CONNECT to its end; what happens on it comes as data.

Nothing of the product runs inside paho's callbacks, and all of paho runs on the caller's thread.
"""

import select
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge_llm.config import MqttSettings
from edge_llm.mqtt.message import Message, Outcome
from edge_llm.mqtt.properties import connect_properties, plain_message
from edge_llm.mqtt.sending.publication import Publication

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_SESSION_EXPIRY_S = 86400
"""Seconds for which the broker keeps requests for a node that is away."""
_MAX_PACKET_BYTES = 2**21
"""Maximum size of a packet from the broker: the largest request that can be allowed, with its properties."""
_IN_FLIGHT = 20
"""Publishes on their way at a time; a broker may allow fewer (Receive Maximum)."""
_CLOSE_S = 1.0
"""Seconds within which what is still to be written must be gone when this side disconnects."""
_NOBODY = ReasonCode(PacketTypes.PUBACK, "No matching subscribers")
_OLD_VERSION = ReasonCode(PacketTypes.CONNACK, "Unsupported protocol version")
_TAKEN_OVER = ReasonCode(PacketTypes.DISCONNECT, "Session taken over")
_PROTOCOL_ERROR = ReasonCode(PacketTypes.DISCONNECT, "Protocol error")


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity and options of a connecting client; ``receive_maximum`` is None without a kept session."""

    settings: MqttSettings
    secret: str | None
    tls: ssl.SSLContext | None
    client_id: str
    last_will: tuple[str, bytes] | None
    receive_maximum: int | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker has accepted the connection, and says what it takes."""

    session_present: bool
    maximum_packet_bytes: int | None
    receive_maximum: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker has refused the connection; ``version``: for its version."""

    reason: str
    version: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The answer to a subscription; ``refused`` says why, if one of its filters was."""

    packet_id: int
    refused: str | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has a message at QoS 1."""

    packet_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over; ``unreadable``: something came that is no MQTT."""

    reason: str
    unreadable: bool
    taken_over: bool


Event = Accepted | Refused | Subscribed | Acknowledged | Closed | Message


class Link:
    """One attempt to connect, and the connection that it becomes."""

    def __init__(self, identity: Identity, version: str, on_acknowledge: Callable[[Message], None]) -> None:
        """Prepare to connect by ``version``; messages are acknowledged by ``on_acknowledge``."""
        self.version = version
        self.events: deque[Event] = deque()
        self.answered = False
        """Whether the broker has sent any MQTT packet."""
        self.accepted_at: float | None = None
        self._identity = identity
        self._on_acknowledge = on_acknowledge
        durable = identity.receive_maximum is not None
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=identity.client_id,
            clean_session=None if version == "5" else not durable,
            protocol=_PROTOCOLS[version],
            manual_ack=durable,
            reconnect_on_failure=False,
        )
        self._client.username_pw_set(identity.settings.username, identity.secret)
        if identity.tls:
            self._client.tls_set_context(identity.tls)
        if identity.last_will:
            self._client.will_set(*identity.last_will, qos=1, retain=True)
        self._client.on_connect = lambda _c, _d, flags, reason, sent: self._connected(flags, reason, sent)
        self._client.on_subscribe = lambda _c, _d, packet_id, reasons, _p: self._subscribed(
            packet_id, reasons
        )
        self._client.on_message = lambda _c, _d, message: self._arrived(message)
        self._client.on_publish = lambda _c, _d, packet_id, reason, _p: self.events.append(
            Acknowledged(packet_id, Outcome.NO_SUBSCRIBERS if reason == _NOBODY else Outcome.TAKEN)
        )
        self._client.on_disconnect = lambda _c, _d, _f, reason, _p: self._closed(reason)

    def open(self) -> None:
        """Connect, and send CONNECT; blocks for some seconds at most.

        Raises:
            OSError: there is no connection, or no encryption, or the host's name cannot be one.
        """
        try:
            self._open()
        except UnicodeError as error:
            host = self._identity.settings.host
            raise OSError(f"mqtt.host: {host!r} cannot be the name of a host") from error
        if channel := cast("socket.socket | None", self._client.socket()):
            # Else a packet waits up to 40 ms for the broker's answer to the one before (Nagle's algorithm and
            # delayed ACKs), and the note behind an act's message at QoS 0 may never come.
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _open(self) -> None:
        settings, maximum = self._identity.settings, self._identity.receive_maximum
        where = settings.host, settings.port, settings.keepalive_s
        if self.version != "5":
            self._client.connect(*where)
            return
        properties = connect_properties(
            _MAX_PACKET_BYTES, None if maximum is None else _SESSION_EXPIRY_S, maximum
        )
        self._client.connect(*where, clean_start=maximum is None, properties=properties)

    def turn(self, wake: socket.socket, timeout_s: float) -> None:
        """Wait for the network, or for ``wake``, and do what is due; ``events`` has what came of it."""
        channel = self._client.socket()
        if channel is None:
            if not self.events:
                raise ConnectionError("the connection is over")
            return
        decrypted = isinstance(channel, ssl.SSLSocket) and channel.pending() > 0
        writing = [channel] if self._client.want_write() else []
        reading, writing, _ = select.select([channel, wake], writing, [], 0 if decrypted else timeout_s)
        if wake in reading:
            wake.recv(4096)
        if channel in reading or decrypted:
            self._client.loop_read()
            self._answer_at_once()
        if writing:
            self._client.loop_write()
        self._client.loop_misc()

    def _answer_at_once(self) -> None:
        """Send the TCP acknowledgement of what came now; Linux goes back to delaying it by itself.

        A broker that leaves Nagle's algorithm on, as mosquitto does by default, holds the next packet back
        until then: 40 ms for a request behind the acknowledgement of a frame, and for the next frame.
        """
        if channel := cast("socket.socket | None", self._client.socket()):
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def publish(self, publication: Publication, qos: int) -> int:
        """Send a publication; returns its packet id.

        Raises:
            ValueError: it cannot be a packet at all.
        """
        properties = publication.properties(self.version)
        sent = self._client.publish(
            publication.topic,
            publication.payload,
            qos,
            publication.retain,
            properties.paho if properties else None,
        )
        return sent.mid

    def acknowledge(self, packet_id: int) -> None:
        """Acknowledge a message at QoS 1."""
        self._client.ack(packet_id, 1)

    def subscribe(self, filters: Sequence[tuple[str, int]]) -> int | None:
        """Subscribe to filters, each with its QoS; returns the packet id."""
        return self._client.subscribe(list(filters))[1]

    def unsubscribe(self, topic_filter: str) -> None:
        """End a subscription."""
        self._client.unsubscribe(topic_filter)

    def close(self) -> None:
        """Disconnect cleanly, if there is a connection still; what waits to be written is written first."""
        self._client.disconnect()
        until = monotonic() + _CLOSE_S
        while (channel := self._client.socket()) is not None and monotonic() < until:
            select.select([], [channel], [], until - monotonic())
            self._client.loop_write()

    def abandon(self) -> None:
        """Close the socket, if it is open still: the broker is to hear nothing more, and sends the will."""
        channel = self._client.socket()
        if channel is not None:
            channel.close()

    def _connected(self, flags: paho.ConnectFlags, reason: ReasonCode, sent: object) -> None:
        self.answered = True
        if reason.is_failure:
            self.events.append(Refused(str(reason).lower(), reason == _OLD_VERSION))
            return
        self.accepted_at = monotonic()
        self.events.append(
            Accepted(
                flags.session_present,
                getattr(sent, "MaximumPacketSize", None),
                min(_IN_FLIGHT, getattr(sent, "ReceiveMaximum", _IN_FLIGHT)),
            )
        )

    def _subscribed(self, packet_id: int, reasons: list[ReasonCode]) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        self.events.append(Subscribed(packet_id, refused[0] if refused else None))

    def _arrived(self, message: paho.MQTTMessage) -> None:
        try:
            self.events.append(plain_message(message, self._on_acknowledge))
        except UnicodeDecodeError:  # a topic that is none: acknowledged, or it would come for ever
            self.events.append(
                Message(
                    "",
                    b"",
                    qos1=message.qos > 0,
                    packet_id=message.mid,
                    on_acknowledge=self._on_acknowledge,
                )
            )

    def _closed(self, reason: ReasonCode) -> None:
        self.events.append(
            Closed(str(reason).lower(), reason == _PROTOCOL_ERROR, taken_over=reason == _TAKEN_OVER)
        )
