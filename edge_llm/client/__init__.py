"""The public Python client: ask nodes over MQTT, and read what they say of themselves."""

from edge_llm.client.client import (
    Client,
    Delta,
    Done,
    MqttSettings,
    RequestError,
    Session,
    Status,
    Turn,
)

__all__ = ["Client", "Delta", "Done", "MqttSettings", "RequestError", "Session", "Status", "Turn"]
