"""Converts between paho's types and plain ones: MQTT 5's properties, messages, topic filters."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_llm.mqtt.message import Message


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Whether a subscription to ``topic_filter`` gets what is published to ``topic``."""
    return paho.topic_matches_sub(topic_filter, topic)


def plain_message(message: paho.MQTTMessage, on_acknowledge: Callable[[Message], None]) -> Message:
    """Copy a message of paho's, with the properties that it has.

    Raises:
        UnicodeDecodeError: its topic is not UTF-8, which MQTT forbids and a broker may let pass.
    """
    sent = message.properties
    return Message(
        message.topic,
        bytes(message.payload),
        retained=message.retain,
        duplicate=message.dup,
        qos1=message.qos > 0,
        packet_id=message.mid,
        response_topic=getattr(sent, "ResponseTopic", None),
        correlation=getattr(sent, "CorrelationData", None),
        expiry_s=getattr(sent, "MessageExpiryInterval", None),
        user=tuple(getattr(sent, "UserProperty", ())),
        on_acknowledge=on_acknowledge,
    )


def connect_properties(
    maximum_packet_size: int, session_expiry_s: int | None, receive_maximum: int | None
) -> Properties:
    """Properties of a CONNECT packet; None leaves one out."""
    properties = _properties(PacketTypes.CONNECT)
    properties.MaximumPacketSize = maximum_packet_size
    if session_expiry_s is not None:
        properties.SessionExpiryInterval = session_expiry_s
    if receive_maximum is not None:
        properties.ReceiveMaximum = receive_maximum
    return properties


@dataclass(frozen=True, slots=True)
class PublishProperties:
    """Properties of a PUBLISH packet as paho has them, and their size in it."""

    paho: Properties
    bytes: int


@lru_cache(64)
def publish_properties(
    content_type: str | None, expiry_s: int | None, correlation: bytes | None, response_topic: str | None
) -> PublishProperties:
    """Properties of a PUBLISH packet; made once for many, for paho builds tables each time."""
    properties = _properties(PacketTypes.PUBLISH)
    if content_type is not None:
        properties.ContentType = content_type
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    if correlation is not None:
        properties.CorrelationData = correlation
    if response_topic is not None:
        properties.ResponseTopic = response_topic
    return PublishProperties(properties, len(properties.pack()))  # type: ignore[no-untyped-call]  # paho leaves it untyped


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho leaves this one untyped
