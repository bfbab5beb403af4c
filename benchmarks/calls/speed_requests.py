"""The requests whose replies are timed: a call of a tool with 60 names, JSON with a free string, and text."""

from collections.abc import Sequence
from typing import Any

from edge_llm.bench.prompts import Prompts
from edge_llm.contract.tools import Tool
from edge_llm.contract.turns import Turn
from edge_llm.engine.tokenizer import ChatTokenizer

_ROOMS = "kitchen", "hall", "garage", "attic", "study", "bathroom", "bedroom", "nursery", "pantry", "cellar"
NAMES = [
    f"{room} {kind} {number}" for room in _ROOMS for kind in ("lamp", "heater", "blind") for number in (1, 2)
]
_PARAMETERS = {
    "type": "object",
    "properties": {
        "device": {"type": "string", "enum": NAMES},
        "action": {"type": "string", "enum": ["turn on", "turn off"]},
    },
    "required": ["device", "action"],
    "additionalProperties": False,
}
TOOL = {
    "type": "function",
    "function": {"name": "set_device", "description": "Switch a device.", "parameters": _PARAMETERS},
}
_NOTE = {
    "type": "object",
    "properties": {
        "device": {"type": "string", "enum": NAMES},
        "note": {"type": "string", "maxLength": 200},
    },
    "required": ["device", "note"],
    "additionalProperties": False,
}
"""Of a reply that is JSON with a free string."""
_SYSTEM = "You control the devices of a house."
_MAX_TOKENS, FREE_TOKENS, _FREE_PROMPT_TOKENS, _TIMEOUT_S = 200, 64, 64, 120
Request = dict[str, Any]


class Requests:
    """Makes the requests of all rounds, for one tokenizer."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        """Find out how a call begins in the model's words."""
        self._tokenizer = tokenizer
        self._prompts = Prompts(tokenizer)

    def call(self, number: int) -> Request:
        """A sentence that asks for a call; for llama.cpp the same prompt, with the call's opening.

        That opening is markup, which its grammar of JSON cannot have; in the prompt it costs it nothing.
        """
        form, markup = self._tokenizer.call_form, self._tokenizer.markup
        turns = _turns(number)
        ids = self._tokenizer.encode_chat(turns, tools=[Tool.model_validate(TOOL)])
        token = form.opening.strip()
        before, *after = form.opening.split(token) if token in markup else [form.opening]
        ids += self._tokenizer.encode_text(before)
        for text in after:
            ids += [markup[token], *self._tokenizer.encode_text(text)]
        keys = {form.name_key: {"const": "set_device"}, form.arguments_key: _PARAMETERS}
        schema = {"type": "object", "properties": keys, "required": list(keys), "additionalProperties": False}
        tools = {"tools": [TOOL], "tool_choice": "required"}
        return _asked(turns) | tools | {"ids": ids, "call_schema": schema}

    def note(self, number: int) -> Request:
        """A sentence that is answered in JSON with a free string."""
        return _asked(_turns(number)) | {"schema": _NOTE}

    def free(self, _number: int) -> Request:
        """A new prompt, answered freely."""
        turns = self._prompts.of(_FREE_PROMPT_TOKENS).messages
        return _asked(turns) | {"max_tokens": FREE_TOKENS, "free": True}


def _turns(number: int) -> tuple[Turn, ...]:
    sentence = f"Turn {('on', 'off')[number % 2]} the {NAMES[7 * number % len(NAMES)]}."
    return Turn(role="system", content=_SYSTEM), Turn(role="user", content=sentence)


def _asked(turns: Sequence[Turn]) -> Request:
    messages = [(turn.role, turn.content) for turn in turns]
    return {"messages": messages, "max_tokens": _MAX_TOKENS, "timeout_s": _TIMEOUT_S}
