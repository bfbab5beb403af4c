"""Reads a node's state, info and telemetry from the broker; knows nothing of requests."""

import json
from threading import Condition
from typing import Any
from uuid import uuid4

from edge_llm.config import MqttSettings
from edge_llm.contract.topics import Topics
from edge_llm.errors import RequestError
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription

_BROKER_S = 10.0
_RETAINED_S = 5.0


def node_info(settings: MqttSettings, node: str, telemetry_s: float = 0.0) -> dict[str, Any]:
    """Read ``state`` and ``info`` of ``node`` and, within ``telemetry_s``, its next ``telemetry``.

    Raises:
        RequestError: the broker cannot be reached, or has nothing of that node.
    """
    topics = Topics(settings.base_topic, node)
    heard: dict[str, Any] = {}
    changed = Condition()

    def on_message(message: Message) -> None:
        try:
            text = message.payload.decode()
            content = text if message.topic == topics.state else json.loads(text)
        except (ValueError, RecursionError):  # anybody may have retained anything there
            return
        with changed:
            heard[message.topic] = content
            changed.notify_all()

    retained = (topics.state, topics.info)
    subscriptions = dict.fromkeys((*retained, topics.telemetry), Subscription(on_message))
    connection = Connection(settings, f"edge_llm-info-{uuid4().hex[:8]}", subscriptions)
    connection.start()
    try:
        ready = connection.wait_ready(_BROKER_S)
        with changed:
            found = ready and changed.wait_for(lambda: all(topic in heard for topic in retained), _RETAINED_S)
            if found and telemetry_s:
                changed.wait_for(lambda: topics.telemetry in heard, telemetry_s)
    finally:
        connection.stop()
    if not found:
        why = f" has nothing of node {node}" if ready else f": {connection.failure or 'no answer'}"
        raise RequestError("unavailable", f"the broker at {settings.host}:{settings.port}{why}")
    return {name: heard.get(getattr(topics, name)) for name in ("state", "info", "telemetry")}
