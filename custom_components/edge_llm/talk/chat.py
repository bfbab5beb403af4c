"""A chat log that the node goes on with: by tools of Home Assistant's LLM APIs, or as JSON by a schema."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import probatio as vol
from homeassistant.components.conversation import (
    AssistantContent,
    AssistantContentDeltaDict,
    ChatLog,
    Content,
    ToolResultContent,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import intent, llm
from homeassistant.helpers.json import json_dumps
from homeassistant.util.ulid import ulid_now

from ..house.description import exposed, names_of
from ..node.client import Node, NodeError
from ..node.wire import Call, Delta, Done, Request, chat

MAX_ROUNDS = 10
"""Maximum number of requests for one answer; in the last one no tool may be called any more."""
_MAX_TOOLS = 64
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


async def async_answer(
    hass: HomeAssistant, node: Node, agent_id: str, chat_log: ChatLog, structure: vol.Schema | None = None
) -> None:
    """Go on with a chat log until it ends in words, or in JSON by ``structure``.

    Raises:
        NodeError: there is no whole reply.
    """
    tools = tools_of(hass, chat_log.llm_api)
    schema = schema_of(structure, chat_log.llm_api) if structure else None
    made: set[str] = set()
    may_call = True
    for left in reversed(range(MAX_ROUNDS)):
        request = chat(ulid_now(), messages_of(chat_log), tools=tools, may_call=may_call, schema=schema)
        calls: set[str] = set()
        async with aclosing(_async_deltas(node, request)) as deltas:
            async for content in chat_log.async_add_delta_content_stream(agent_id, deltas):
                calls |= _calls(content)
        if isinstance(last := chat_log.content[-1], AssistantContent) and last.content:
            return
        # Small models go round in circles: whoever calls nothing new has to speak.
        may_call = left > 1 and not calls <= made
        made |= calls
    raise NodeError("silent")


def _calls(content: Content) -> set[str]:
    """The calls of a message, to be told apart by what is called and how."""
    calls = (isinstance(content, AssistantContent) and content.tool_calls) or ()
    return {json.dumps([call.tool_name, call.tool_args], sort_keys=True) for call in calls}


async def _async_deltas(node: Node, request: Request) -> AsyncGenerator[AssistantContentDeltaDict]:
    """The node's reply; its calls are the chat log's to carry out, once they are whole."""
    said = ""
    yield {"role": "assistant"}
    async with aclosing(node.async_ask(request)) as frames:
        async for frame in frames:
            match frame:
                case Delta(text):
                    said += text
                    yield {"content": text}
                case Done():
                    if rest := frame.text.removeprefix(said):
                        yield {"content": rest}
                    if frame.calls:
                        yield {"tool_calls": [_tool_input(call) for call in frame.calls]}


def _tool_input(call: Call) -> llm.ToolInput:
    arguments = {name: value for name, value in call.arguments.items() if value not in (None, "", [], {})}
    # The node counts a reply's calls: among those of other rounds the id has to be another one.
    return llm.ToolInput(tool_name=call.name, tool_args=arguments)


def messages_of(chat_log: ChatLog) -> list[dict[str, Any]]:
    """A chat log as the node reads it."""
    return [message for content in chat_log.content if (message := _message(content))]


def _message(content: Content) -> dict[str, Any] | None:
    if isinstance(content, ToolResultContent):
        result = json_dumps(content.result.data)
        called = {"tool_call_id": content.tool_call_id, "name": content.tool_name}
        return {"role": "tool", "content": result, **called}
    if isinstance(content, AssistantContent) and content.tool_calls:
        calls = [
            {"id": call.id, "name": call.tool_name, "arguments": call.tool_args}
            for call in content.tool_calls
        ]
        return {"role": "assistant", "content": content.content or "", "tool_calls": calls}
    return {"role": content.role, "content": content.content} if content.content else None


def tools_of(hass: HomeAssistant, api: llm.APIInstance | None) -> list[dict[str, Any]] | None:
    """The tools of an API as the node reads them, with names of things narrowed to those that there are."""
    if api is None:
        return None
    states = exposed(hass)
    places = {
        "area": sorted({area.name for area in ar.async_get(hass).async_list_areas()}),
        "floor": sorted({floor.name for floor in fr.async_get(hass).async_list_floors()}),
    }
    tools = []
    for tool in api.tools:
        domains = _domains(hass, tool)
        things = (state for state in states if domains is None or state.domain in domains)
        names = {"name": sorted({name for state in things for name in names_of(hass, state)}), **places}
        function = {
            "name": tool.name,
            "description": tool.description or "",
            "parameters": narrowed(schema_of(tool.parameters, api), names),
        }
        if _TOOL_NAME.fullmatch(tool.name):
            tools.append({"type": "function", "function": function})
    return tools[:_MAX_TOOLS]


def _domains(hass: HomeAssistant, tool: llm.Tool) -> set[str] | None:
    """The domains that a tool is for, if it is an intent that is for some only."""
    inner = tool.tool if isinstance(tool, llm.NamespacedTool) else tool
    if not isinstance(inner, llm.IntentTool):
        return None
    handlers = (each for each in intent.async_get(hass) if each.intent_type == inner.intent_type)
    handler = next(handlers, None)
    return handler.platforms if handler else None


def narrowed(schema: dict[str, Any], names: dict[str, list[str]]) -> dict[str, Any]:
    """A tool's schema whose bare strings called ``name``, ``area`` or ``floor`` are among these names.

    Where there are none, such an argument is left out, unless the tool requires it.
    """
    properties: dict[str, Any] = {}
    for key, described in schema.get("properties", {}).items():
        known = names.get(key)
        if known is None or described.get("type") != "string" or "enum" in described:
            properties[key] = described
        elif known:
            properties[key] = described | {"enum": known}
        elif key in schema.get("required", ()):
            properties[key] = described
    return {"type": "object", **schema, "properties": properties}


def schema_of(schema: vol.Schema, api: llm.APIInstance | None) -> dict[str, Any]:
    """A schema of Home Assistant as a JSON schema."""
    serializer = api.custom_serializer if api else llm.selector_serializer
    converted: Any = vol.to_openapi(schema, custom_serializer=serializer, openapi_version="3.1.0")
    plain: dict[str, Any] = json.loads(json_dumps(converted))
    return plain
