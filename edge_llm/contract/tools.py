"""Tools that a client offers, schemas that a reply keeps to, and calls, on the wire and in sessions.

All in the form of OpenAI's chat completions, https://platform.openai.com/docs/api-reference/chat, or shorter.
"""

import json
from collections.abc import Mapping
from operator import not_
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_serializer,
    model_validator,
)

from edge_llm.config import Identifier
from edge_llm.contract.reading import Strict, refuse_deeper

MAX_TOOLS = 64
MAX_SCHEMA_BYTES = 65536
"""Maximum size of one schema as JSON."""
MAX_DEPTH = 64
"""Maximum depth of nesting in a schema, and in the arguments of a call."""


def _json_bytes(value: dict[str, Any]) -> int:
    """Count the bytes of an object as JSON.

    Raises:
        ValueError: it is none, or nested too deep; the error quotes nothing of it.
    """
    refuse_deeper(value, MAX_DEPTH)
    try:
        return len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except ValueError:  # also UnicodeEncodeError
        raise ValueError("NaN, Infinity and half surrogate pairs are no JSON") from None


def _sized(schema: dict[str, Any]) -> dict[str, Any]:
    if (size := _json_bytes(schema)) > MAX_SCHEMA_BYTES:
        raise ValueError(f"a schema may have {MAX_SCHEMA_BYTES} bytes, this one has {size}")
    return schema


def _arguments(value: dict[str, Any]) -> dict[str, Any]:
    _json_bytes(value)
    return value


Schema = Annotated[dict[str, Any], AfterValidator(_sized)]
"""A JSON schema. What of it can be kept to is decided where the grammar is made."""


class Function(Strict):
    """A function that a model may call; without ``parameters`` it takes none."""

    name: Identifier
    description: str | None = None
    parameters: Schema | None = None
    """JSON schema of the arguments, of type object."""
    strict: bool | None = None
    """Without effect: arguments always keep to the schema."""

    @model_validator(mode="after")
    def _takes_an_object(self) -> "Function":
        if self.parameters and self.parameters.get("type", "object") != "object":
            raise ValueError("parameters: the schema of arguments is of type object")
        return self


class Tool(Strict):
    """A tool on offer."""

    type: Literal["function"] = "function"
    function: Function


def _distinct(tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    names = [tool.function.name for tool in tools]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two tools have the name {min(twice)}")
    return tools


Tools = Annotated[tuple[Tool, ...], Field(min_length=1, max_length=MAX_TOOLS), AfterValidator(_distinct)]
"""The tools of a request."""


def _unwrapped(value: Any) -> Any:
    """Take ``{"type": "function", "function": {…}}`` as what it holds."""
    if isinstance(value, Mapping) and value.get("type") == "function":
        return {name: part for name, part in value.items() if name not in ("type", "function")} | (
            value["function"] if isinstance(value.get("function"), Mapping) else {}
        )
    return value


class NamedTool(Strict):
    """The one tool that must be called."""

    name: Identifier


ToolChoice = (
    Literal["auto", "none", "required"]
    | Annotated[NamedTool, BeforeValidator(_unwrapped, json_schema_input_type=NamedTool)]
)
"""``auto``: text or calls, as the model likes; ``none``: text; ``required``: calls; or a call of one tool."""


class ResponseFormat(Strict):
    """The form of the whole reply: JSON by a schema."""

    type: Literal["json_schema"]
    json_schema: Schema = Field(alias="schema")

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """Take ``{"json_schema": {"schema": …}}`` as ``{"schema": …}``."""
        if isinstance(value, Mapping) and isinstance(inner := value.get("json_schema"), Mapping):
            return {"type": value.get("type"), "schema": inner.get("schema")}
        return value

    @model_serializer
    def _as_read(self) -> dict[str, Any]:
        """Write ``schema``, under which it is read: ``json_schema`` would be taken for OpenAI's form."""
        return {"type": self.type, "schema": self.json_schema}


class ToolCall(Strict):
    """A call of a tool; in what a client sends also in OpenAI's form, with arguments as a string."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    name: Identifier
    arguments: Annotated[dict[str, Any], AfterValidator(_arguments)]
    # Not strict: after a validator that runs before, pydantic no longer knows that a list was JSON's.
    device_ids: tuple[str, ...] = Field((), strict=False, exclude_if=not_)
    """Of an act: the devices of the house that it is for."""

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        value = _unwrapped(value)
        if isinstance(value, Mapping) and isinstance(text := value.get("arguments"), str):
            try:
                return {**value, "arguments": json.loads(text or "{}")}
            except (ValueError, RecursionError):
                raise ValueError("arguments: not JSON") from None
        return value
