"""The turns of a conversation, as clients send them, sessions keep them and the engine reads them."""

from operator import not_
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from edge_llm.contract.reading import Strict
from edge_llm.contract.tools import ToolCall

Role = Literal["system", "user", "assistant", "tool"]


class Turn(Strict):
    """One turn of a conversation; ``tool`` is the result of a call, as text.

    What is unset is not written: a turn without calls is what older nodes know, and digests stay the same.
    """

    role: Role
    tool_calls: tuple[ToolCall, ...] = Field((), exclude_if=not_)
    """Calls that an assistant's turn made; only such a turn may leave ``content`` out."""
    content: str = ""
    tool_call_id: str | None = Field(None, exclude_if=not_)
    """The call that a tool's result belongs to."""
    name: str | None = Field(None, exclude_if=not_)
    """The tool that a result is of."""

    @field_validator("content", mode="before")
    @classmethod
    def _no_content(cls, value: Any, info: ValidationInfo) -> Any:
        """Take null beside calls, as OpenAI's clients write it, as no content."""
        return "" if value is None and info.data.get("tool_calls") else value

    @model_validator(mode="after")
    def _content_or_calls(self) -> Self:
        if self.tool_calls and self.role != "assistant":
            raise ValueError("tool_calls: an assistant makes calls, nobody else")
        if "content" not in self.model_fields_set and not self.tool_calls:
            raise ValueError("content: Field required")
        return self


class GeneratedTurn(Turn):
    """An assistant's turn whose tokens are known; never on the wire, where only a Turn is read or written."""

    token_ids: tuple[int, ...]
    """The reply as it was generated; fed in place of ``content``, which may encode otherwise."""
