"""What the node is to do itself: the messages that move each device, as data that outlives a process."""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import TypeAdapter

from edge_llm.contract.tools import ToolCall
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import Publish


@dataclass(frozen=True, slots=True)
class Step:
    """One action on one device; without ``messages`` it cannot be done."""

    device: str
    """Id of its entity."""
    name: str
    act: int
    """Number of its act among those of the plan."""
    action: str
    value: Value
    messages: tuple[Publish, ...]
    tells_state: bool = True
    """Whether its state is followed: known from here alone once the device has gone, or the node begins."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The acts of one request: their steps, the calls that they are, and what is said when each is done."""

    language: str
    texts: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    steps: tuple[Step, ...]

    def said_of(self, not_done: Collection[str]) -> str:
        """What is said of acts, but for those that were done by no device: ``not_done`` names some."""
        done = {step.act for step in self.steps if step.name not in not_done}
        return " ".join(text for number, text in enumerate(self.texts) if number in done)


PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)
"""Reads and writes a plan as JSON."""
