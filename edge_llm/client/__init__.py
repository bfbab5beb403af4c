"""The public Python client: ask nodes over MQTT, and read what they say of themselves."""

from edge_llm.client.client import (
    Call,
    Client,
    Delta,
    Done,
    MqttSettings,
    RequestError,
    Session,
    Status,
    Tool,
    ToolCall,
    Turn,
)

__all__ = [
    "Call",
    "Client",
    "Delta",
    "Done",
    "MqttSettings",
    "RequestError",
    "Session",
    "Status",
    "Tool",
    "ToolCall",
    "Turn",
]
