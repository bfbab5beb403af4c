"""Joins telemetry with the connection: publishes it, and takes the metering plug's messages."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from edge_llm.config import TelemetrySettings
from edge_llm.contract.node import Telemetry
from edge_llm.contract.topics import Topics
from edge_llm.errors import ConfigError
from edge_llm.host.power.meter import ExternalMeter
from edge_llm.host.power.source import PowerSource
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription, subscription_of
from edge_llm.telemetry.reply_stats import ReplyRecord

if TYPE_CHECKING:  # an extra
    from edge_llm.telemetry.openmetrics import Metrics


class TelemetryPublisher:
    """A sink that publishes telemetry while there is a broker."""

    def __init__(self, connection: Connection, topics: Topics) -> None:
        """Publish on the node's telemetry topic, at QoS 0."""
        self._connection = connection
        self._topics = topics

    def emit(self, telemetry: Telemetry, replies: tuple[ReplyRecord, ...]) -> None:
        """See ``collector.Sink``."""
        del replies  # their terminal frames were published
        if self._connection.ready:
            self._connection.publish(self._topics.telemetry, telemetry.encode(), qos=0)


class OnChange:
    """A sink that looks each period whether something has changed, and if so says it to the broker."""

    def __init__(self, read: Callable[[], object], publish: Callable[[], None]) -> None:
        """``publish`` each time that ``read`` returns something else than before, at first than None."""
        self._read = read
        self._publish = publish
        self._known: object = None

    def emit(self, telemetry: Telemetry, replies: tuple[ReplyRecord, ...]) -> None:
        """See ``collector.Sink``."""
        del telemetry, replies
        now = self._read()
        if now != self._known:
            self._known = now
            self._publish()


def open_metrics(settings: TelemetrySettings, model: str) -> "Metrics | None":
    """Serve OpenMetrics on ``metrics_port``, where one is configured; ``model`` is the bundle's name.

    Raises:
        ConfigError: the port is taken, or the extra is not installed.
    """
    if settings.metrics_port is None:
        return None
    try:
        from edge_llm.telemetry.openmetrics import Metrics  # noqa: PLC0415 - an extra, that few nodes need
    except ImportError as error:
        raise ConfigError("telemetry.metrics_port needs more: pip install 'edge-llm[metrics]'") from error
    return Metrics(settings.metrics_port, model)


def meter_subscriptions(
    settings: TelemetrySettings, source: PowerSource, otherwise: Mapping[str, Subscription]
) -> dict[str, Subscription]:
    """Subscribe the metering plug's topic, if one is configured; what it takes goes to ``otherwise``, too.

    On demand, once the connection is ready: a broker that refuses it must not keep the node from serving. At
    QoS 0: a broker keeps none of its messages for a node that is away, where requests need the room.
    """
    topic = settings.meter_topic
    if topic is None or not isinstance(source, ExternalMeter):
        return {}
    route = subscription_of(topic, otherwise)

    def on_message(message: Message) -> None:
        if not message.retained:  # nobody knows the time of that one
            source.on_payload(message.payload)
        if route and message.qos1:  # a route has subscribed to it as well
            route.on_message(message)
        else:
            message.acknowledge()

    return {
        topic: Subscription(on_message, qos=1 if topic in otherwise else 0, on_demand=topic not in otherwise)
    }
