"""Names that the parts of the integration share."""

from typing import Final

DOMAIN: Final = "edge_llm"
ASSISTANT: Final = "conversation"
"""Assist, as Home Assistant names it where entities are exposed to it."""
CONF_BASE_TOPIC: Final = "base_topic"
CONF_NODE: Final = "node"
CONF_DOCUMENTS: Final = "documents"
DEFAULT_BASE_TOPIC: Final = "edge_llm"
SUBENTRY_CONVERSATION: Final = "conversation"
SUBENTRY_AI_TASK: Final = "ai_task_data"
DEFAULT_PROMPT: Final = "You are a voice assistant in a home. Answer in one or two short sentences."
