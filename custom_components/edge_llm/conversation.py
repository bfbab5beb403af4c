"""The conversation agent: sentences go to the node, its calls are carried out, its words are spoken."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from homeassistant.components.conversation import (
    AssistantContent,
    AssistantContentDeltaDict,
    ChatLog,
    ConversationEntity,
    ConversationEntityFeature,
    ConversationInput,
    ConversationResult,
    ToolResultContentDeltaDict,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_PROMPT, MATCH_ALL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import intent, llm
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util.ulid import ulid_now

from .calls import Result, async_carry_out
from .const import DOMAIN, SUBENTRY_CONVERSATION
from .house import area_of, describe
from .node import EdgeLlmConfigEntry, Node, NodeError
from .speech import async_error, states_in_words
from .wire import Call, Delta, Done, Request, session_of

PARALLEL_UPDATES = 0
_ASKS_BACK = {"confirm", "unclear"}

ChatDelta = AssistantContentDeltaDict | ToolResultContentDeltaDict


async def async_setup_entry(
    hass: HomeAssistant, entry: EdgeLlmConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Make an agent of each subentry."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_CONVERSATION:
            agent = EdgeLlmConversation(entry.runtime_data, subentry)
            async_add_entities([agent], config_subentry_id=subentry.subentry_id)


@dataclass(slots=True)
class _Turn:
    """One sentence and what comes of it."""

    user_input: ConversationInput
    session: str
    system: str | None
    results: dict[str, Result] = field(default_factory=dict)
    """Of the calls that were carried out, by their ids."""
    asks_back: bool = False

    @property
    def asked(self) -> list[Any]:
        """The states that were asked for."""
        return [state for result in self.results.values() for state in result.asked]

    @property
    def has_failed(self) -> bool:
        """Whether any call was not carried out."""
        return not all(result.ok for result in self.results.values())


class EdgeLlmConversation(ConversationEntity):
    """Answers, and acts, by a node."""

    _attr_has_entity_name = True
    _attr_name = None
    _attr_supports_streaming = True
    _attr_supported_features = ConversationEntityFeature.CONTROL

    def __init__(self, node: Node, subentry: ConfigSubentry) -> None:
        """Speak with ``node`` as ``subentry`` says."""
        self._node = node
        self._prompt: str | None = subentry.data.get(CONF_PROMPT) or None
        self._attr_unique_id = subentry.subentry_id
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, subentry.subentry_id)},
            name=subentry.title,
            manufacturer="edge_llm",
            model=node.info.get("model"),
            sw_version=node.info.get("version"),
            entry_type=DeviceEntryType.SERVICE,
        )

    @property
    def supported_languages(self) -> list[str] | Literal["*"]:
        """Whichever the model speaks."""
        return MATCH_ALL

    async def async_added_to_hass(self) -> None:
        """Follow the node."""
        await super().async_added_to_hass()
        self.async_on_remove(async_dispatcher_connect(self.hass, self._node.signal, self._on_node))
        self._attr_available = self._node.online

    @callback
    def _on_node(self) -> None:
        if self._attr_available != self._node.online:
            self._attr_available = self._node.online
            self.async_write_ha_state()

    async def _async_handle_message(
        self, user_input: ConversationInput, chat_log: ChatLog
    ) -> ConversationResult:
        """Have a sentence answered."""
        turn = _Turn(user_input, session_of(chat_log.conversation_id), self._system(user_input))
        try:
            async with aclosing(self._async_deltas(turn)) as deltas:
                async for _ in chat_log.async_add_delta_content_stream(self.entity_id, deltas):
                    pass
        except NodeError as error:
            text = await async_error(self.hass, user_input.language, error.reason)
            content = AssistantContent(agent_id=self.entity_id, content=text)
            chat_log.async_add_assistant_content_without_tools(content)
            return _failed(turn, chat_log, text)
        return _result(turn, chat_log)

    def _system(self, user_input: ConversationInput) -> str | None:
        return "\n".join(filter(None, (self._prompt, user_input.extra_system_prompt))) or None

    async def _async_deltas(self, turn: _Turn) -> AsyncGenerator[ChatDelta]:
        """Ask the node, carry out its calls, and say what it says of them once they are."""
        user_input = turn.user_input
        area = area_of(self.hass, user_input.satellite_id, user_input.device_id)
        request = Request(
            ulid_now(), session=turn.session, text=user_input.text, area=area, system=turn.system
        )
        said = ""
        yield {"role": "assistant"}
        async with aclosing(self._node.async_ask(request)) as frames:
            async for frame in frames:
                calls: tuple[Call, ...] = ()
                match frame:
                    # With calls, the text claims that they are carried out: it has to wait for that.
                    case Delta(text) if not turn.results:
                        said += text
                        yield {"content": text}
                    case Call():
                        calls = (frame,)
                    case Done():
                        calls = frame.calls
                for call in calls:
                    if call.id not in turn.results:
                        async for delta in self._async_call(turn, call):
                            yield delta
                if isinstance(frame, Done):
                    done = frame
        turn.asks_back = done.outcome in _ASKS_BACK
        text = await self._async_conclude(turn, done)
        # Of text that has come as deltas, what was lost of it.
        if rest := text.removeprefix(said):
            yield {"content": rest}

    async def _async_call(self, turn: _Turn, call: Call) -> AsyncGenerator[ChatDelta]:
        """Carry out a call, shown in the chat log as a tool's call and result."""
        tool = llm.ToolInput(tool_name=call.name, tool_args=call.arguments, id=call.id, external=True)
        yield {"tool_calls": [tool]}
        result = turn.results[call.id] = await async_carry_out(self.hass, call, turn.user_input)
        yield {
            "role": "tool_result",
            "tool_call_id": call.id,
            "tool_name": call.name,
            "result": llm.ToolResult(data=result.as_tool_result(), error=not result.ok),
        }
        yield {"role": "assistant"}

    async def _async_conclude(self, turn: _Turn, done: Done) -> str:
        """What is said in the end: of failures, of states that were asked for, or what the node has said."""
        if turn.has_failed:
            results = {call: result.ok for call, result in turn.results.items()}
            said = await self._async_said(Request(ulid_now(), session=turn.session, results=results))
            return said or await async_error(self.hass, turn.user_input.language, "failed")
        if turn.asked:
            house = describe(self.hass, turn.asked, with_states=True)
            said = await self._async_said(Request(ulid_now(), text=turn.user_input.text, house=house))
            return said or states_in_words(self.hass, turn.asked)
        return done.text

    async def _async_said(self, request: Request) -> str | None:
        """What the node says to a request that comes to no calls; None if it says nothing."""
        try:
            async with aclosing(self._node.async_ask(request)) as frames:
                async for frame in frames:
                    if isinstance(frame, Done):
                        return frame.text if frame.outcome == "spoken" and not frame.calls else None
        except NodeError:
            pass
        return None


def _result(turn: _Turn, chat_log: ChatLog) -> ConversationResult:
    last = chat_log.content[-1]
    text = last.content if isinstance(last, AssistantContent) else None
    if turn.has_failed:
        return _failed(turn, chat_log, text or "")
    response = intent.IntentResponse(language=turn.user_input.language)
    if turn.asked:
        response.response_type = intent.IntentResponseType.QUERY_ANSWER
        response.async_set_states(turn.asked)
    done = [target for result in turn.results.values() for target in result.done]
    response.async_set_results(done)
    response.async_set_speech(text or "")
    return ConversationResult(response, chat_log.conversation_id, turn.asks_back)


def _failed(turn: _Turn, chat_log: ChatLog, text: str) -> ConversationResult:
    response = intent.IntentResponse(language=turn.user_input.language)
    response.async_set_error(intent.IntentResponseErrorCode.FAILED_TO_HANDLE, text)
    results = turn.results.values()
    response.async_set_results(
        [target for result in results for target in result.done],
        [target for result in results for target in result.failed],
    )
    return ConversationResult(response, chat_log.conversation_id)
