"""The public Python client: ask nodes over MQTT, and read what they say of themselves."""

from edge_llm.client.client import Client, Session
from edge_llm.config import MqttSettings
from edge_llm.contract.frames import Call, Delta, Done, Status
from edge_llm.contract.tools import Tool, ToolCall
from edge_llm.contract.turns import Turn
from edge_llm.errors import RequestError

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
