"""The turns of a conversation, as clients send them, sessions keep them and the engine reads them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["system", "user", "assistant"]


class Turn(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Role
    content: str


class GeneratedTurn(Turn):
    """An assistant's turn whose tokens are known; never on the wire, where only a Turn is read or written."""

    token_ids: tuple[int, ...]
    """The reply as it was generated; fed in place of ``content``, which may encode otherwise."""
