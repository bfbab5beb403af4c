"""Removes a node that will not come back from the broker: `edge-llm serve --retire`."""

from threading import Semaphore

from edge_llm.config import Settings
from edge_llm.contract.topics import Topics
from edge_llm.errors import EdgeLlmError
from edge_llm.event_log import EventLog
from edge_llm.homeassistant.discovery import discovery_topic
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.subscriptions import Subscription

log = EventLog(__name__)

_BROKER_S = 10.0


def retire(settings: Settings) -> None:
    """Clear the node's retained messages, and end its session at the broker with all kept messages.

    Raises:
        ConfigError: a file of the settings cannot be used.
        EdgeLlmError: the broker cannot be reached, or does not answer.
    """
    mqtt = settings.mqtt
    topics = Topics(mqtt.base_topic, settings.node.id)
    # The node's own client id without a durable session ends the existing session.
    connection = Connection(mqtt, topics.client_id, {topics.state: Subscription(lambda _message: None)})
    connection.start()
    try:
        if not connection.wait_ready(_BROKER_S):
            raise EdgeLlmError(
                f"{mqtt.host}:{mqtt.port}: {connection.failure or 'no answer'}; nothing was retired"
            )
        retained = topics.state, topics.info, discovery_topic(settings.homeassistant, topics)
        cleared = Semaphore(0)
        for topic in retained:
            connection.publish(topic, b"", retain=True, on_sent=lambda _outcome: cleared.release())
        for _ in retained:
            if not cleared.acquire(timeout=_BROKER_S):
                raise EdgeLlmError(f"{mqtt.host}:{mqtt.port} does not answer: run this again")
    finally:
        connection.stop()
    log.info("service.retired", node=topics.node)
