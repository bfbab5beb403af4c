"""What takes part in the measurement of commands: it is told a house, and answers sentences with calls."""

from dataclasses import dataclass
from typing import Literal, Protocol

from edge_llm.contract.house import House
from edge_llm.contract.tools import ToolCall

Outcome = Literal["unclear", "confirm", "impossible", "spoken"]


@dataclass(frozen=True)
class Answer:
    """The answer to one sentence; ``outcome`` is None where calls were made."""

    calls: tuple[ToolCall, ...]
    outcome: str | None
    """One of ``Outcome``, or None."""
    valid: bool
    """Whether the reply kept to its form."""
    total_ms: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    forced_tokens: int
    text: str = ""
    candidates: tuple[str, ...] = ()


class Contender(Protocol):
    """Answers sentences. It may have ``examples: frozenset[str]``, the sentences that its prompt shows."""

    name: str

    def prepare(self, house: House) -> None:
        """Take this house from now on; what that takes is not in ``total_ms``."""

    def act(self, text: str, context_area: str | None) -> Answer:
        """Answer one sentence, said in this area.

        Raises:
            EdgeLlmError: it failed.
        """

    def close(self) -> None:
        """End whatever it started."""
