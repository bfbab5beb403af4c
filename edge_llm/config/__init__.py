"""The configuration: environment over YAML over the defaults in `sections`.

``EDGE_LLM_MQTT__HOST=broker`` is ``mqtt: {host: broker}`` in YAML. Unknown keys are refused.
"""

from edge_llm.config.documents import DOCUMENTS_ID, DocumentsSettings
from edge_llm.config.engine import EngineSettings
from edge_llm.config.house import WHOLE_HOUSE, HouseSettings
from edge_llm.config.identifier import ID_PATTERN, Identifier
from edge_llm.config.load import DEFAULT_PATH, load_settings
from edge_llm.config.sampling import SamplingSettings
from edge_llm.config.sections import (
    ENV_PREFIX,
    PLACEHOLDER,
    HomeAssistantSettings,
    MqttSettings,
    RouteSettings,
    SessionsSettings,
    Settings,
    TelemetrySettings,
)
from edge_llm.config.voice import VoiceSettings
from edge_llm.config.web import WebSettings

__all__ = [
    "DEFAULT_PATH",
    "DOCUMENTS_ID",
    "ENV_PREFIX",
    "ID_PATTERN",
    "PLACEHOLDER",
    "WHOLE_HOUSE",
    "DocumentsSettings",
    "EngineSettings",
    "HomeAssistantSettings",
    "HouseSettings",
    "Identifier",
    "MqttSettings",
    "RouteSettings",
    "SamplingSettings",
    "SessionsSettings",
    "Settings",
    "TelemetrySettings",
    "VoiceSettings",
    "WebSettings",
    "load_settings",
]
