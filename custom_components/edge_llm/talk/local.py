"""What Home Assistant answers by itself: timers, the clock, the weather, announcements.

Nothing here acts on an entity: that is the node's, which asks first where its ``house.confirm`` says so.
"""

from typing import Final

from hassil.recognize import RecognizeResult
from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.components.conversation import (
    AssistantContent,
    ChatLog,
    ConversationInput,
    ConversationResult,
    async_handle_intents,
)
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import intent
from homeassistant.util.ulid import ulid_now

from ..const import DOMAIN
from ..node.client import NodeError

_INTENTS: Final = {
    intent.INTENT_START_TIMER,
    intent.INTENT_CANCEL_TIMER,
    intent.INTENT_CANCEL_ALL_TIMERS,
    intent.INTENT_INCREASE_TIMER,
    intent.INTENT_DECREASE_TIMER,
    intent.INTENT_PAUSE_TIMER,
    intent.INTENT_UNPAUSE_TIMER,
    intent.INTENT_TIMER_STATUS,
    intent.INTENT_GET_CURRENT_DATE,
    intent.INTENT_GET_CURRENT_TIME,
    intent.INTENT_BROADCAST,
    intent.INTENT_NEVERMIND,
    "HassGetWeather",
}
"""Not among them: HassRespond, for small talk is the model's."""


async def async_answer_locally(
    hass: HomeAssistant, user_input: ConversationInput, chat_log: ChatLog
) -> ConversationResult | None:
    """Answer by Home Assistant's own sentences; None where they leave it to the node.

    Raises:
        NodeError: it is for Home Assistant, which has nothing to do it with, or the user may not.
    """
    may_delay = await _async_may_delay(hass, user_input.context)
    is_ours = False

    def leaves_out(found: RecognizeResult) -> bool:
        nonlocal is_ours
        is_ours = found.intent.name in _INTENTS
        if found.intent.name == intent.INTENT_BROADCAST:
            # Without one, Home Assistant says that it is done.
            return not set(hass.states.async_entity_ids("assist_satellite")) - {user_input.satellite_id}
        return not is_ours or ("conversation_command" in found.entities and not may_delay)

    try:
        response = await async_handle_intents(hass, user_input, chat_log, intent_filter=leaves_out)
    except intent.IntentError:  # what does it is not set up
        response = None
    if response is None:
        if is_ours:
            raise NodeError("cannot")
        return None
    speech = response.speech.get("plain", {}).get("speech", "")
    content = AssistantContent(agent_id=user_input.agent_id, content=speech)
    chat_log.async_add_assistant_content_without_tools(content)
    return ConversationResult(response, chat_log.conversation_id)


async def _async_may_delay(hass: HomeAssistant, context: Context) -> bool:
    """Whether a user may have a command carried out later: Home Assistant 2026.10 does that as nobody."""
    user = await hass.auth.async_get_user(context.user_id) if context.user_id else None
    return user is None or user.permissions.access_all_entities(POLICY_CONTROL)


async def async_read_sentences(hass: HomeAssistant, language: str | None) -> None:
    """Have Home Assistant read its sentences, which it does with the first one that is said in a language."""
    language = language or hass.config.language
    nothing = ConversationInput(DOMAIN, Context(), None, None, None, language, DOMAIN)
    await async_handle_intents(hass, nothing, ChatLog(hass, ulid_now()), intent_filter=lambda _: True)
