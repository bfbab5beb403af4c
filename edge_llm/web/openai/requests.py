"""Reads what OpenAI's clients send, and makes a request of it.

https://platform.openai.com/docs/api-reference/chat/create; also what llama.cpp and vLLM take beside it.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from edge_llm.errors import RequestError
from edge_llm.web.bodies import Lenient

_SEEDS = 2**63 - 1


class Part(Lenient):
    """A part of a message's content."""

    type: str
    text: str = ""


class CalledFunction(Lenient):
    """The function of a call, with arguments as JSON in a string."""

    name: str
    arguments: str | dict[str, Any] = "{}"


class CallMade(Lenient):
    """A call that an assistant's message holds."""

    id: str
    function: CalledFunction


class Message(Lenient):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | tuple[Part, ...] | None = None
    tool_calls: tuple[CallMade, ...] | None = None
    tool_call_id: str | None = None

    def turn(self) -> dict[str, Any]:
        """The message as a node reads it.

        Raises:
            RequestError: bad_request: it has more than text.
        """
        turn: dict[str, Any] = {"role": "system" if self.role == "developer" else self.role}
        if self.tool_calls and self.role == "assistant":
            turn["tool_calls"] = [{"id": call.id, **call.function.model_dump()} for call in self.tool_calls]
        turn["content"] = text_of(self.content)
        if self.role == "tool":
            turn["tool_call_id"] = self.tool_call_id
        return {name: value for name, value in turn.items() if value is not None}


class OfferedFunction(Lenient):
    """A function that may be called."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OfferedTool(Lenient):
    """A tool on offer."""

    type: Literal["function"]
    function: OfferedFunction

    def tool(self) -> dict[str, Any]:
        """The tool as a node reads it."""
        return {"type": "function", "function": self.function.model_dump(exclude_none=True)}


class Named(Lenient):
    """A name."""

    name: str


class ChosenTool(Lenient):
    """The one tool to call."""

    type: Literal["function"]
    function: Named


class Schema(Lenient):
    """A named schema."""

    json_schema: dict[str, Any] = Field(alias="schema")


class Format(Lenient):
    """The form of the reply."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None

    def reply_schema(self) -> dict[str, Any] | None:
        """The schema that the reply keeps to; None for text."""
        if self.type == "json_schema" and self.json_schema is None:
            raise RequestError("bad_request", "response_format.json_schema: Field required")
        if self.json_schema:
            return self.json_schema.json_schema
        return {"type": "object"} if self.type == "json_object" else None


class StreamOptions(Lenient):
    """Options of a stream."""

    include_usage: bool | None = None


class TemplateOptions(Lenient):
    """Options of the chat template, as llama.cpp and vLLM take them."""

    enable_thinking: bool | None = None


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Completion(Lenient):
    """A request for a chat completion."""

    model: str | None = None
    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Literal[1] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    tools: tuple[OfferedTool, ...] | None = None
    tool_choice: Literal["auto", "none", "required"] | ChosenTool | None = None
    response_format: Format | None = None
    chat_template_kwargs: TemplateOptions | None = None

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends in a chunk with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def fields(self, context_tokens: int) -> dict[str, Any]:
        """The fields of the node's request; more tokens than its context has make no sense.

        Raises:
            RequestError: bad_request: a message has more than text.
        """
        most = self.max_completion_tokens or self.max_tokens
        choice = self.tool_choice.function.name if isinstance(self.tool_choice, ChosenTool) else None
        thinks = self.chat_template_kwargs and self.chat_template_kwargs.enable_thinking
        return {
            "messages": [message.turn() for message in self.messages],
            "max_tokens": min(most, context_tokens) if most else None,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
            "seed": None if self.seed is None else self.seed & _SEEDS,
            "stop": [text for text in self.stop or () if text],
            "tools": [tool.tool() for tool in self.tools] if self.tools else None,
            "tool_choice": ({"name": choice} if choice else self.tool_choice) if self.tools else None,
            "schema": self.response_format.reply_schema() if self.response_format else None,
            "enable_thinking": thinks,
        }


def text_of(content: str | tuple[Part, ...] | None) -> str:
    """The text of a message's content.

    Raises:
        RequestError: bad_request: it has more than text.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if others := {part.type for part in content} - {"text"}:
        shown = min(others)[:32]
        raise RequestError("bad_request", f"content: this model reads text alone, not {shown!r}")
    return "\n".join(part.text for part in content)
