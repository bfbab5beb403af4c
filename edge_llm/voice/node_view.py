"""Follows what the node says of itself: its model, whether it has a house, and the language of that."""

from uuid import uuid4

from pydantic import ValidationError

from edge_llm.config import MqttSettings
from edge_llm.contract.node import Info
from edge_llm.contract.topics import Topics
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription


class NodeView:
    """The newest of it, by a connection of its own; any thread may read."""

    def __init__(self, mqtt: MqttSettings, topics: Topics) -> None:
        """Follow the node of ``topics``.

        Raises:
            ConfigError: a file of the settings cannot be used.
        """
        self._info: Info | None = None
        self._connection = Connection(
            mqtt, f"edge_llm-voice-{uuid4().hex[:8]}", {topics.info: Subscription(self._on_info)}
        )

    def start(self) -> None:
        """Begin to follow it."""
        self._connection.start()

    def stop(self) -> None:
        """Disconnect."""
        self._connection.stop()

    @property
    def model(self) -> str | None:
        """Name of the model; None where nothing is known of the node yet."""
        return self._info.model if self._info else None

    @property
    def language(self) -> str | None:
        """Language of the house; None where there is no house, or nothing is known of it yet."""
        return self._info.house.language if self._info and self._info.house else None

    @property
    def has_no_house(self) -> bool:
        """Whether it is known that the node has none: then everything that is said is talk."""
        return self._info is not None and (self._info.house is None or not self._info.house.devices)

    def _on_info(self, message: Message) -> None:
        try:
            self._info = Info.model_validate_json(message.payload)
        except ValidationError:  # retired, or anybody's
            self._info = None
        message.acknowledge()
