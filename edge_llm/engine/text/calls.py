"""How a conversation's text shows tools, calls of them and their results.

A template that knows tools writes all three; the form of its calls is found by having it write some. For
every other template the node does it in the words of Qwen2.5's (the form of Nous Hermes): tools at the end
of the system text, calls at the end of an assistant's, results as a user's turn. Where a model has no
tokens of its own for these tags they are plain text, and a user can spell them as well as the node.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from jinja2 import TemplateError

from edge_llm.engine.text.sandbox import tojson

Message = dict[str, Any]
"""``role`` and ``content``, and where there are any ``tool_calls``, ``tool_call_id``, ``name``."""
Described = Mapping[str, Any]
"""A tool in OpenAI's form: ``{"type": "function", "function": {"name", "description", "parameters"}}``."""


@dataclass(frozen=True, slots=True)
class CallForm:
    """The text of calls in an assistant's turn."""

    opening: str
    """What stands before a call's JSON, at the reply's beginning."""
    name_key: str
    arguments_key: str
    closing: str
    """What stands after it."""
    between: str | None
    """What stands between two calls; None: a turn has only one."""

    def write(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Return one call as the template writes it."""
        return f"{self.opening}{tojson({self.name_key: name, self.arguments_key: arguments})}{self.closing}"


HERMES = CallForm("<tool_call>\n", "name", "arguments", "\n</tool_call>", "\n")
"""The form of the node's own words."""

_BEFORE_TOOLS = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
)
_AFTER_TOOLS = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments"
    " within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


def in_words(messages: Sequence[Message], tools: Sequence[Described]) -> list[Message]:
    """Rewrite a conversation so that a template which knows no tools can show it."""
    told: list[Message] = []
    if tools:
        offered = _BEFORE_TOOLS + "\n".join(map(tojson, tools)) + _AFTER_TOOLS
        system = [message["content"] for message in messages[:1] if message["role"] == "system"]
        told.append({"role": "system", "content": "\n\n".join([*filter(None, system), offered])})
        messages = messages[len(system) :]
    before = None
    for message in messages:
        content = message["content"]
        if message["role"] == "tool":
            content = f"<tool_response>\n{content}\n</tool_response>"
            if before == "tool":
                told[-1]["content"] += f"\n{content}"
            else:
                told.append({"role": "user", "content": content})
        else:
            calls = [call["function"] for call in message.get("tool_calls", ())]
            written = [HERMES.write(call["name"], call["arguments"]) for call in calls]
            told.append({"role": message["role"], "content": "\n".join([*filter(None, [content]), *written])})
        before = message["role"]
    return told


class Write(Protocol):
    """Renders a template as it is."""

    def __call__(
        self, messages: list[Message], *, open_reply: bool, thinking: bool, tools: Sequence[Described]
    ) -> str:
        """Write the conversation."""


_PROBE = "qxzw"
"""Text that does not occur in templates."""
_ARGUMENTS = {_PROBE: 1}
_JSON = re.compile(rf'\{{"([^"]+)": "{_PROBE}", "([^"]+)": {re.escape(tojson(_ARGUMENTS))}\}}')
_ID = "qxzw00000"
"""The id of a call; Mistral's are nine letters and digits."""
_PARAMETERS = {"type": "object", "properties": {_PROBE: {"type": "integer", "description": "?"}}}
_TOOL: Described = {
    "type": "function",
    "function": {"name": _PROBE, "description": f"{_PROBE} offered", "parameters": _PARAMETERS},
}
_USER = {"role": "user", "content": "?"}
_CALL = {"id": _ID, "type": "function", "function": {"name": _PROBE, "arguments": _ARGUMENTS}}
_RESULT = {"role": "tool", "content": f"{_PROBE} told", "tool_call_id": _ID, "name": _PROBE}


def find_call_form(write: Write, end_of_turn: str) -> CallForm | None:
    """Have the template write calls; None if it knows no tools, or calls are not JSON of name and arguments.

    The JSON is that of ``tojson``: a call's name first, then its arguments, and nothing else.
    """
    try:
        for thinking in (False, True):  # one of them opens a reply as finished ones look
            prompt = _written(write, [_USER], thinking=thinking, open_reply=True)
            told = _written(write, [_USER, _said(1)], thinking=thinking)
            found = _JSON.search(told, len(prompt))
            if found and told.startswith(prompt) and told.endswith(end_of_turn):
                break
        else:
            return None
        answered = _written(write, [_USER, _said(1), _RESULT], thinking=thinking)
    except TemplateError:
        return None
    if any(said not in answered for said in (_TOOL["function"]["description"], _RESULT["content"])):
        return None
    opening, closing = told[len(prompt) : found.start()], told[found.end() :].removesuffix(end_of_turn)
    form = CallForm(opening, found.group(1), found.group(2), closing, None)
    return replace(form, between=_between(write, form, prompt, end_of_turn, thinking=thinking))


def _between(write: Write, form: CallForm, prompt: str, end_of_turn: str, *, thinking: bool) -> str | None:
    try:
        told = _written(write, [_USER, _said(2)], thinking=thinking)
    except TemplateError:
        return None
    call = form.write(_PROBE, _ARGUMENTS)
    first, last = prompt + call, call + end_of_turn
    if told.startswith(first) and told[len(first) :].endswith(last):
        return told[len(first) : -len(last)]
    return None


def _said(calls: int) -> Message:
    return {"role": "assistant", "content": "", "tool_calls": [_CALL] * calls}


def _written(write: Write, messages: list[Message], *, thinking: bool, open_reply: bool = False) -> str:
    return write(messages, open_reply=open_reply, thinking=thinking, tools=[_TOOL])
