"""Contenders with Home Assistant's own tools and our engine: in free text, and under the tools' grammar.

The prompt is the one that Home Assistant gives a conversation agent, with this house in its list of
devices: names, domain and areas. Free text is read as Home Assistant's integrations read it: calls stand
in ``<tool_call>``. A reply in words that ends in a question mark counts as asking back.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from benchmarks.commands.contender import Answer
from benchmarks.commands.resolve import fold
from edge_llm.bench.local_engine import LocalEngine
from edge_llm.bundle import Bundle
from edge_llm.config import EngineSettings
from edge_llm.contract.house import House
from edge_llm.contract.tools import Tool, ToolCall
from edge_llm.contract.turns import Turn
from edge_llm.engine.types import GenerationRequest
from edge_llm.errors import EdgeLlmError

MAX_TOKENS = 200
CONTEXT_TOKENS = 12288
"""Room for 24 tools and a list of a hundred devices."""
TIMEOUT_S = 180.0
_LIST = re.compile(r"(?<=in this smart home:\n).*?(?=\n\n)", re.DOTALL)
_NO_AREA = re.compile(r"^When a user asks to turn on all devices of a specific type.*$", re.MULTILINE)
_ASKS = ("?", "\uff1f")
_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Api:
    """Home Assistant's prompt and tools, as a running one printed them."""

    prompt: str
    tools: Sequence[Mapping[str, Any]]

    def system(self, house: House, context_area: str | None) -> str:
        """Return the prompt for a house and the area that somebody speaks in."""
        prompt = _LIST.sub(lambda _: devices(house), self.prompt)
        if context_area is None:
            return prompt
        here = f"You are in area {area_name(house, context_area)} and all generic commands"
        told = f"{here} like 'turn on the lights' should target this area."
        return _NO_AREA.sub(lambda _: told, prompt)

    def valid(self, calls: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether calls are of these tools, and keep to their schemas."""
        schemas = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in self.tools}
        return all(
            call.get("name") in schemas
            and Draft202012Validator(schemas[call["name"]]).is_valid(call.get("arguments") or {})
            for call in calls
        )

    def answer(self, text: str, calls: Sequence[Mapping[str, Any]], **figures: Any) -> Answer:
        """Return the answer that words and calls are; a call that is not valid is none."""
        valid = self.valid(calls) and (bool(calls) or "{" not in text)
        made = _made(calls) if valid else ()
        outcome = None if calls or not valid else "unclear" if text.rstrip().endswith(_ASKS) else "spoken"
        return Answer(made, outcome, valid, text=text, **figures)


def read_api(data: Path) -> Api:
    """Read ``ha-assist-api.json``.

    Raises:
        EdgeLlmError: it is no such file.
    """
    try:
        found = json.loads((data / "ha-assist-api.json").read_text(encoding="utf-8"))
        api = Api(found["prompt"], found["tools"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EdgeLlmError(f"ha-assist-api.json has no prompt and tools: {error!r}") from error
    if not _LIST.search(api.prompt):
        raise EdgeLlmError("ha-assist-api.json: its prompt has no list of the devices in this smart home")
    return api


def devices(house: House) -> str:
    """Return the devices of a house as Home Assistant lists them."""
    areas = {area.id: area.name for area in house.areas}
    listed = [
        {"names": ", ".join((device.name, *device.aliases)), "domain": device.kind}
        | ({"areas": areas[device.area]} if device.area else {})
        for device in house.devices
    ]
    return yaml.safe_dump(listed, sort_keys=False, allow_unicode=True, width=200).rstrip()


def area_name(house: House, area: str) -> str:
    """Return the name of an area that is given by id or name."""
    return next((its.name for its in house.areas if fold(area) in (fold(its.id), fold(its.name))), area)


def _made(calls: Sequence[Mapping[str, Any]]) -> tuple[ToolCall, ...]:
    try:
        return tuple(
            ToolCall(
                id=f"call_{number}",
                name=call["name"].rpartition("__")[2],
                arguments=call.get("arguments") or {},
            )
            for number, call in enumerate(calls)
        )
    except ValidationError as error:
        raise EdgeLlmError("a call cannot be sent: it is nested too deep, or has no JSON") from error


def parse_calls(text: str) -> list[dict[str, Any]]:
    """Return the calls in ``<tool_call>``; what is no JSON object is a call without a name."""
    found = []
    for block in _CALL.findall(text):
        try:
            call = json.loads(block)
        except ValueError:
            call = {}
        found.append(call if isinstance(call, dict) else {})
    return found


class Tools:
    """Our engine with Home Assistant's tools; with ``grammar`` it must call them, else it writes freely."""

    def __init__(self, bundle: Bundle, threads: int, api: Api, *, grammar: bool) -> None:
        """Start the engine."""
        self.name = "grammar" if grammar else "tools"
        self._api, self._grammar = api, grammar
        self._tools = tuple(map(Tool.model_validate, api.tools))
        context = min(CONTEXT_TOKENS, bundle.manifest.context_tokens)
        settings = EngineSettings(slots=1, context_tokens=context)
        self._engine = LocalEngine(bundle, threads, settings).__enter__()
        self._house = House()

    def prepare(self, house: House) -> None:
        """Take this house, and compute the prompt for it."""
        self._house = house
        with suppress(EdgeLlmError):  # what fails here fails again for each sentence, and is counted there
            self.act("", None, max_tokens=1)

    def act(self, text: str, context_area: str | None, max_tokens: int = MAX_TOKENS) -> Answer:
        """Answer one sentence."""
        system = self._api.system(self._house, context_area)
        request = GenerationRequest(
            (Turn(role="system", content=system), Turn(role="user", content=text)),
            max_tokens,
            tools=self._tools,
            tool_choice="required" if self._grammar else "none",  # "none" shows tools, without a grammar
        )
        try:
            done = self._engine.generate(request).result(TIMEOUT_S).completion
        except TimeoutError:
            raise EdgeLlmError("the reply did not end in time") from None
        calls = [{"name": call.name, "arguments": call.arguments} for call in done.calls]
        return self._api.answer(
            done.text,
            calls or parse_calls(done.text),
            total_ms=done.timing_ms.total,
            prompt_tokens=done.usage.prompt_tokens,
            cached_tokens=done.usage.cached_tokens,
            completion_tokens=done.usage.completion_tokens,
            forced_tokens=done.usage.forced_tokens,
        )

    def close(self) -> None:
        """End the engine."""
        self._engine.__exit__(None, None, None)
