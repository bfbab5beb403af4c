"""Reads what Ollama's clients send, and makes a request of it: https://docs.ollama.com/api/chat."""

from itertools import count
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from edge_llm.errors import RequestError
from edge_llm.web.bodies import Lenient
from edge_llm.web.openai.requests import OfferedTool

_SEEDS = 2**63 - 1


class CalledFunction(Lenient):
    """The function of a call."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class CallMade(Lenient):
    """A call that an assistant's message holds; older clients give it no id."""

    id: str | None = None
    function: CalledFunction


class Message(Lenient):
    """A message of the conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    images: tuple[Any, ...] | None = None
    tool_calls: tuple[CallMade, ...] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Options(Lenient):
    """Options of the model; those of Ollama's own loading are ignored."""

    num_predict: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None


class Chat(Lenient):
    """A request for a reply."""

    model: str = ""
    messages: tuple[Message, ...] = ()
    stream: bool | None = None
    tools: tuple[OfferedTool, ...] | None = None
    format: Literal["", "json"] | dict[str, Any] | None = None
    options: Options | None = None
    think: bool | str | None = None

    @property
    def streams(self) -> bool:
        """Whether the reply comes in pieces; it does unless a client says no."""
        return self.stream is not False

    def fields(self, context_tokens: int) -> dict[str, Any]:
        """The fields of the node's request.

        Raises:
            RequestError: bad_request: there are images.
        """
        options = self.options or Options()
        most = options.num_predict
        # -1 and -2 are "as many as there is room for".
        limit = None if most is None else min(most, context_tokens) if most > 0 else context_tokens
        schema = {"type": "object"} if self.format == "json" else self.format or None
        return {
            "messages": self._turns(),
            "max_tokens": limit,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
            "min_p": options.min_p,
            "repetition_penalty": options.repeat_penalty,
            "frequency_penalty": options.frequency_penalty,
            "presence_penalty": options.presence_penalty,
            "seed": None if options.seed is None else options.seed & _SEEDS,
            "stop": [text for text in options.stop or () if text],
            "tools": [tool.tool() for tool in self.tools] if self.tools else None,
            "schema": schema,
            "enable_thinking": None if self.think is None else bool(self.think),
        }

    def _turns(self) -> list[dict[str, Any]]:
        """The messages as a node reads them: each call has an id, and each result the id of its call."""
        turns: list[dict[str, Any]] = []
        numbers = count()
        open_calls: list[tuple[str, str]] = []  # name and id of calls without a result
        for message in self.messages:
            if message.images:
                raise RequestError("bad_request", "images: this model reads text alone")
            turn: dict[str, Any] = {"role": message.role}
            if message.role == "assistant" and message.tool_calls:
                calls = [
                    {"id": call.id or f"call_{next(numbers)}", **call.function.model_dump()}
                    for call in message.tool_calls
                ]
                open_calls = [(call["name"], call["id"]) for call in calls]
                turn["tool_calls"] = calls
            turn["content"] = message.content or ""
            if message.role == "tool":
                turn |= _result(message, open_calls)
            turns.append(turn)
        return turns


def _result(message: Message, open_calls: list[tuple[str, str]]) -> dict[str, Any]:
    """Id and name of a result's call: as it says, else of the first call that fits."""
    given = message.tool_call_id
    fits = (each for each in open_calls if message.tool_name in (None, each[0]) and given in (None, each[1]))
    found = next(fits, None)
    if found:
        open_calls.remove(found)
    named = {"tool_call_id": given or (found and found[1]), "name": message.tool_name}
    return {name: value for name, value in named.items() if value}
