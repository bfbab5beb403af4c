"""Follows what a node says of itself, its state, info and telemetry, and whether documents are served."""

from typing import TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from edge_llm.config import MqttSettings
from edge_llm.contract.node import DocumentsInfo, Info, Telemetry
from edge_llm.contract.topics import ONLINE, Topics
from edge_llm.errors import RequestError
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription
from edge_llm.web.live.changes import Changes
from edge_llm.web.live.house import HouseView

Read = TypeVar("Read", bound=BaseModel)


class NodeFeed:
    """The newest of each, by a connection of its own; any thread may read."""

    def __init__(
        self, mqtt: MqttSettings, topics: Topics, documents: Topics, house: HouseView, changes: Changes
    ) -> None:
        """Follow the node of ``topics`` and the service of ``documents``.

        Notify ``changes`` of what is new; what is said of the house goes to ``house``.

        Raises:
            ConfigError: a file of the settings cannot be used.
        """
        self.node = topics.node
        self.documents = documents.node
        self.info: Info | None = None
        self.telemetry: Telemetry | None = None
        self._said_online = False
        self._documents_online = self._documents_known = False
        self._changes = changes
        on_house = house.subscriptions
        self._house_topics = tuple(on_house)
        self._connection = Connection(
            mqtt,
            f"edge_llm-web-{uuid4().hex[:8]}",
            {
                topics.state: Subscription(self._on_state),
                topics.info: Subscription(self._on_info),
                topics.telemetry: Subscription(self._on_telemetry, qos=0),
                documents.state: Subscription(self._on_documents_state),
                documents.info: Subscription(self._on_documents_info),
                **on_house,
            },
            on_ready=self._on_ready,
        )

    @property
    def state(self) -> str:
        """``online``, or ``offline``: also where the broker is away."""
        return "online" if self._said_online and self._connection.ready else "offline"

    @property
    def has_documents(self) -> bool:
        """Whether a documents service is online; a node may have its name by chance."""
        return self._documents_online and self._documents_known and self._connection.ready

    def is_documents(self, model: str | None) -> bool:
        """Whether ``model``, as a client of an API names it, is the documents service."""
        return model == self.documents

    def start(self) -> None:
        """Begin to follow it."""
        self._connection.start()

    def stop(self) -> None:
        """Disconnect."""
        self._connection.stop()

    def known_info(self) -> Info:
        """The node's info.

        Raises:
            RequestError: unavailable: it has not come.
        """
        if self.info is None:
            failure = self._connection.failure
            reason = f": the broker: {failure}" if failure and not self._connection.ready else ""
            raise RequestError("unavailable", f"nothing is known of node {self.node} yet{reason}")
        return self.info

    def _on_ready(self) -> None:
        self._connection.subscribe(*self._house_topics)
        self._changes.notify()

    def _on_state(self, message: Message) -> None:
        self._said_online = message.payload == ONLINE
        self._heard(message)

    def _on_info(self, message: Message) -> None:
        self.info = _read(Info, message.payload)
        self._heard(message)

    def _on_telemetry(self, message: Message) -> None:
        self.telemetry = _read(Telemetry, message.payload) or self.telemetry
        self._heard(message)

    def _on_documents_state(self, message: Message) -> None:
        self._documents_online = message.payload == ONLINE
        self._heard(message)

    def _on_documents_info(self, message: Message) -> None:
        self._documents_known = _read(DocumentsInfo, message.payload) is not None
        self._heard(message)

    def _heard(self, message: Message) -> None:
        message.acknowledge()
        self._changes.notify()


def _read(model: type[Read], payload: bytes) -> Read | None:
    try:
        return model.model_validate_json(payload)
    except ValidationError:  # retired, or anybody's
        return None
