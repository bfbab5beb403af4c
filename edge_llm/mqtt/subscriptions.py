"""Topic filters with their handlers, and the session that the broker keeps of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edge_llm.mqtt.message import OnMessage
from edge_llm.mqtt.properties import topic_matches


@dataclass(frozen=True, slots=True)
class Subscription:
    """A handler of what comes on a topic filter, on the network thread; it must not block.

    ``on_demand``: subscribed by ``Connection.subscribe`` alone, not at each connection.
    """

    on_message: OnMessage
    qos: Literal[0, 1] = 1
    on_demand: bool = False


@dataclass(frozen=True, slots=True)
class DurableSession:
    """A session that the broker keeps while this side is away.

    It hands out at most ``receive_maximum`` messages at a time, and again each that was not acknowledged.
    ``on_connected`` runs before any of them comes, with whether the broker had kept the session.
    ``echo_topic`` is a topic of this side alone: what it sends there shows what the broker drops.
    """

    receive_maximum: int
    on_connected: Callable[[bool], None]
    echo_topic: str | None = None


def subscription_of(topic: str, subscriptions: Mapping[str, Subscription]) -> Subscription | None:
    """Find who takes a message: the subscription to its very topic, else the first whose filter matches."""
    if topic in subscriptions:
        return subscriptions[topic]
    for topic_filter, subscription in subscriptions.items():
        if topic_matches(_unshared(topic_filter), topic):
            return subscription
    return None


def _unshared(topic_filter: str) -> str:
    """The filter of a shared subscription (``$share/GROUP/FILTER``) without its group."""
    return topic_filter.split("/", 2)[2] if topic_filter.startswith("$share/") else topic_filter
