"""The conversation agent: answers sentences, and acts, by a node."""

from contextlib import aclosing
from typing import Literal

from homeassistant.components.conversation import (
    AssistantContent,
    ChatLog,
    ConversationEntity,
    ConversationEntityFeature,
    ConversationInput,
    ConversationResult,
    ConverseError,
    async_get_result_from_chat_log,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_LLM_HASS_API, CONF_PROMPT, MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import intent
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.llm import LLMContext
from homeassistant.util.ulid import ulid_now

from .const import ASSISTANT, CONF_DOCUMENTS, DOMAIN, SUBENTRY_CONVERSATION
from .entity import EdgeLlmEntity
from .node.client import EdgeLlmConfigEntry, Node, NodeError
from .node.documents import Documents
from .node.wire import Request, session_of
from .talk.act import CONFIRM, Turn
from .talk.chat import async_answer, messages_of, tools_of
from .talk.local import async_answer_locally, async_read_sentences
from .talk.speech import async_error, async_papers

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: EdgeLlmConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Make an agent of each subentry."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_CONVERSATION:
            agent = EdgeLlmConversation(entry.runtime_data, subentry)
            async_add_entities([agent], config_subentry_id=subentry.subentry_id)


class EdgeLlmConversation(EdgeLlmEntity, ConversationEntity):
    """Answers, and acts in the node's own way, or by the tools of LLM APIs where some are chosen."""

    _attr_supports_streaming = True
    _attr_supported_features = ConversationEntityFeature.CONTROL

    def __init__(self, node: Node, subentry: ConfigSubentry) -> None:
        """Speak with ``node`` as ``subentry`` says."""
        super().__init__(node, subentry)
        self._prompt: str | None = subentry.data.get(CONF_PROMPT) or None
        self._apis: list[str] = subentry.data.get(CONF_LLM_HASS_API) or []
        self._asks_papers: bool = subentry.data.get(CONF_DOCUMENTS, False) and not self._apis
        self._documents: Documents | None = None
        self._unconfirmed: set[str] = set()
        """Ids of the conversations in which the node waits for a yes: whatever comes next is its answer."""
        self._asked_by: dict[str, Node] = {}
        """By conversation, who has asked something back: the answer goes there."""

    async def async_added_to_hass(self) -> None:
        """Follow the node, and the documents service where it is to be asked."""
        await super().async_added_to_hass()
        if self._asks_papers:
            self._documents = Documents(self.hass, self._node.topics.base)
            await self._documents.async_start()
            self.async_on_remove(self._documents.async_stop)

    @property
    def supported_languages(self) -> list[str] | Literal["*"]:
        """Whichever the model speaks."""
        return MATCH_ALL

    async def async_prepare(self, language: str | None = None) -> None:
        """Have what every request begins with computed while the sentence is still spoken."""
        if not self._apis:
            if self._prompt:
                await self._node.async_prefill(Request(ulid_now(), {"system": self._prompt}))
            await async_read_sentences(self.hass, language)
            return
        chat_log = ChatLog(self.hass, ulid_now())
        context = LLMContext(DOMAIN, None, language, ASSISTANT, None)
        try:
            await chat_log.async_provide_llm_data(context, self._apis, self._prompt)
        except ConverseError:
            return
        fields = {"messages": messages_of(chat_log), "tools": tools_of(self.hass, chat_log.llm_api)}
        await self._node.async_prefill(Request(ulid_now(), fields))

    async def _async_handle_message(
        self, user_input: ConversationInput, chat_log: ChatLog
    ) -> ConversationResult:
        """Have a sentence answered."""
        try:
            if self._apis:
                return await self._async_chat(user_input, chat_log)
            return await self._async_act(user_input, chat_log)
        except ConverseError as error:
            return error.as_conversation_result()
        except NodeError as error:
            text = await async_error(self.hass, user_input.language, error.reason)
            content = AssistantContent(agent_id=self.entity_id, content=text)
            chat_log.async_add_assistant_content_without_tools(content)
            response = intent.IntentResponse(language=user_input.language)
            response.async_set_error(intent.IntentResponseErrorCode.FAILED_TO_HANDLE, text)
            return ConversationResult(response, chat_log.conversation_id)

    async def _async_chat(self, user_input: ConversationInput, chat_log: ChatLog) -> ConversationResult:
        """By the tools of the chosen APIs."""
        await chat_log.async_provide_llm_data(
            user_input.as_llm_context(DOMAIN), self._apis, self._prompt, user_input.extra_system_prompt
        )
        await async_answer(self.hass, self._node, self.entity_id, chat_log)
        return async_get_result_from_chat_log(user_input, chat_log)

    async def _async_act(self, user_input: ConversationInput, chat_log: ChatLog) -> ConversationResult:
        """In the node's own way; what it has no calls for, in Home Assistant's."""
        conversation = chat_log.conversation_id
        is_answer = conversation in self._unconfirmed
        self._unconfirmed.discard(conversation)
        if not is_answer and (result := await async_answer_locally(self.hass, user_input, chat_log)):
            return result
        system = "\n".join(filter(None, (self._prompt, user_input.extra_system_prompt))) or None
        asks = self._asked_by.pop(conversation, None) or self._documents or self._node
        if not asks.is_reachable():  # nothing has been sent yet: it goes to the node
            asks = self._node
        turn = Turn(self.hass, self._node, asks, user_input, session_of(conversation), system)
        async with aclosing(turn.async_deltas()) as deltas:
            async for _ in chat_log.async_add_delta_content_stream(self.entity_id, deltas):
                pass
        if turn.outcome == CONFIRM:
            self._unconfirmed.add(conversation)
        if turn.asks_back:
            self._asked_by[conversation] = asks
        result = _result(turn, conversation)
        if turn.sources:
            title, lines = await async_papers(self.hass, user_input.language, turn.sources)
            result.response.async_set_card(title, lines)
        return result


def _result(turn: Turn, conversation: str) -> ConversationResult:
    response = intent.IntentResponse(language=turn.user_input.language)
    if turn.asked:
        response.response_type = intent.IntentResponseType.QUERY_ANSWER
        response.async_set_states(turn.asked)
    if turn.has_failed:
        response.async_set_error(intent.IntentResponseErrorCode.FAILED_TO_HANDLE, turn.text)
    results = turn.results.values()
    response.async_set_results(
        [target for result in results for target in result.done],
        [target for result in results for target in result.failed],
    )
    response.async_set_speech(turn.text)
    return ConversationResult(response, conversation, turn.asks_back)
