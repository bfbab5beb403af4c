"""Tasks of automations: text, or data by a structure."""

import json

from homeassistant.components.ai_task import (
    AITaskEntity,
    AITaskEntityFeature,
    GenDataTask,
    GenDataTaskResult,
)
from homeassistant.components.conversation import AssistantContent, ChatLog
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN, SUBENTRY_AI_TASK
from .entity import EdgeLlmEntity
from .node.client import EdgeLlmConfigEntry, NodeError
from .talk.chat import async_answer

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: EdgeLlmConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Make an entity of each subentry."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_AI_TASK:
            entity = EdgeLlmTask(entry.runtime_data, subentry)
            async_add_entities([entity], config_subentry_id=subentry.subentry_id)


class EdgeLlmTask(EdgeLlmEntity, AITaskEntity):
    """Generates data by a node."""

    _attr_supported_features = AITaskEntityFeature.GENERATE_DATA

    async def _async_generate_data(self, task: GenDataTask, chat_log: ChatLog) -> GenDataTaskResult:
        """Generate text, or data by the task's structure."""
        try:
            await async_answer(self.hass, self._node, self.entity_id, chat_log, task.structure)
        except NodeError as error:
            raise HomeAssistantError(translation_domain=DOMAIN, translation_key=error.reason) from error
        last = chat_log.content[-1]
        text = last.content if isinstance(last, AssistantContent) else None
        try:
            data = json.loads(text or "") if task.structure else text or ""
        except ValueError as error:  # it was cut
            raise HomeAssistantError(translation_domain=DOMAIN, translation_key="too_long") from error
        return GenDataTaskResult(conversation_id=chat_log.conversation_id, data=data)
