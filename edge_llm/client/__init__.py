"""The public Python client: ask nodes over MQTT, and read what they say of themselves."""

from edge_llm.client.client import (
    ChatMessage,
    Client,
    Delta,
    Done,
    MqttSettings,
    RequestError,
    Session,
    Status,
)

__all__ = ["ChatMessage", "Client", "Delta", "Done", "MqttSettings", "RequestError", "Session", "Status"]
