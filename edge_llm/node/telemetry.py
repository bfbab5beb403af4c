"""Joins telemetry with the node: the sink that publishes, and the meter that the connection subscribes to."""

import dataclasses
from collections.abc import Callable
from time import process_time
from typing import TYPE_CHECKING

from edge_llm.config import TelemetrySettings
from edge_llm.contract.node import Telemetry as TelemetryPayload
from edge_llm.contract.topics import Topics
from edge_llm.errors import ConfigError
from edge_llm.host.power.choose import busy_seconds, choose_source
from edge_llm.host.power.meter import ExternalMeter
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message, OnMessage
from edge_llm.node.responder import Engine
from edge_llm.telemetry.collector import Sink, Snapshot, Telemetry
from edge_llm.telemetry.energy import CpuSeconds, EnergyAccounts

if TYPE_CHECKING:  # an extra
    from edge_llm.telemetry.openmetrics import Metrics


class NodeTelemetry:
    """Telemetry of a node: over MQTT, and as OpenMetrics where that is configured."""

    def __init__(self, settings: TelemetrySettings) -> None:
        """Choose where power is read, and listen on ``metrics_port``.

        Raises:
            ConfigError: that port cannot be served.
        """
        self._settings = settings
        source = choose_source(settings)
        self._meter = source if isinstance(source, ExternalMeter) else None
        accounts = EnergyAccounts(source, lambda: CpuSeconds(busy_seconds(), process_time()))
        self._telemetry = Telemetry(settings, accounts)
        self.generations = self._telemetry.generations
        self._metrics = _metrics(settings.metrics_port) if settings.metrics_port else None

    def subscribe(self, connection: Connection) -> None:
        """Subscribe to the meter; to be called each time that the connection is ready."""
        if self._settings.meter_topic:
            # At QoS 0: a broker keeps none of them for a node that is away, where requests need the room.
            connection.subscribe(self._settings.meter_topic, qos=0)

    def filter(self, otherwise: OnMessage) -> OnMessage:
        """What takes the meter's messages, and leaves all others to ``otherwise``."""
        meter = self._meter
        if meter is None:
            return otherwise

        def on_message(message: Message) -> None:
            mine = message.topic == self._settings.meter_topic
            if mine and not message.retained:  # nobody knows of when that would be
                meter.on_payload(message.payload)
            if not mine or message.qos1:  # one that a route has subscribed to as well
                otherwise(message)

        return on_message

    def start(
        self, engine: Engine, rejected: Callable[[], int], connection: Connection, topics: Topics
    ) -> None:
        """Begin to publish; ``rejected`` counts the requests that were refused."""
        sinks: list[Sink] = [_Publisher(connection, topics)]
        if self._metrics:
            self._metrics.model = engine.bundle.manifest.name
            sinks.append(self._metrics)
        self._telemetry.start(engine.figures, rejected, engine.inference_cores, tuple(sinks))

    def stop(self) -> None:
        """End the thread, and stop listening."""
        self._telemetry.stop()
        if self._metrics:
            self._metrics.close()


def _metrics(port: int) -> "Metrics":
    try:
        from edge_llm.telemetry.openmetrics import Metrics  # noqa: PLC0415 - an extra, that few nodes need
    except ImportError as error:
        raise ConfigError("telemetry.metrics_port needs more: pip install 'edge-llm[metrics]'") from error
    return Metrics(port)


class _Publisher:
    """The sink that publishes, while there is a broker."""

    def __init__(self, connection: Connection, topics: Topics) -> None:
        self._connection = connection
        self._topics = topics

    def emit(self, snapshot: Snapshot) -> None:
        """See ``telemetry.Sink``."""
        if self._connection.ready:
            fields = {field.name: getattr(snapshot, field.name) for field in dataclasses.fields(snapshot)}
            payload = TelemetryPayload.model_validate({**fields, "node": self._topics.node})
            self._connection.publish(self._topics.telemetry, payload.encode(), qos=0)
