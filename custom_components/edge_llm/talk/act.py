"""A sentence to the house: the node says what to call, and once that is done, what to say."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Final

from homeassistant.components.conversation import (
    AssistantContentDeltaDict,
    ConversationInput,
    ToolResultContentDeltaDict,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import llm
from homeassistant.util.ulid import ulid_now

from ..house.description import area_of, describe
from ..node.client import Node, NodeError
from ..node.wire import DOCUMENTS, Call, Delta, Done, Request, Source, report, sentence
from .calls import Result, async_carry_out
from .speech import async_error, states_in_words

ChatDelta = AssistantContentDeltaDict | ToolResultContentDeltaDict
CONFIRM: Final = "confirm"
_ASKS_BACK = {CONFIRM, "unclear"}


@dataclass(slots=True)
class Turn:
    """One sentence and what comes of it."""

    hass: HomeAssistant
    node: Node
    asks: Node
    """Whom the sentence goes to: ``node``, or the documents service, which asks it."""
    user_input: ConversationInput
    session: str
    system: str | None
    results: dict[str, Result] = field(default_factory=dict)
    """Of the calls that were carried out, by their ids."""
    outcome: str | None = None
    """Of an act without calls; see ``Done``."""
    text: str = ""
    """What is said to it in the end."""
    sources: tuple[Source, ...] = ()
    """Of the household's papers, if the answer was made from them."""

    @property
    def asks_back(self) -> bool:
        """Whether the node waits for an answer."""
        return self.outcome in _ASKS_BACK

    @property
    def asked(self) -> list[State]:
        """The states that were asked for."""
        return [state for result in self.results.values() for state in result.asked]

    @property
    def has_failed(self) -> bool:
        """Whether any call was not carried out."""
        return not all(result.ok for result in self.results.values())

    async def async_deltas(self) -> AsyncGenerator[ChatDelta]:
        """Ask the node, carry out its calls, and say what it says.

        Raises:
            NodeError: there is no whole reply.
        """
        user_input = self.user_input
        area = area_of(self.hass, user_input.satellite_id, user_input.device_id)
        request = sentence(ulid_now(), user_input.text, session=self.session, area=area, system=self.system)
        said, done = "", Done("", (), None)
        yield {"role": "assistant"}
        async with aclosing(self.asks.async_ask(request)) as frames:
            async for frame in frames:
                calls: tuple[Call, ...] = ()
                match frame:
                    # With calls, the text claims that they are carried out: it has to wait for that.
                    case Delta(text) if not self.results:
                        said += text
                        yield {"content": text}
                    case Call():
                        calls = (frame,)
                    case Done():
                        calls, done = frame.calls, frame
                for call in calls:
                    if call.id not in self.results:
                        async for delta in self._async_call(call):
                            yield delta
        self.outcome = done.outcome
        text = self.text = await self._async_conclude(done)
        # Of text that has come as deltas, what was lost of it.
        if rest := text.removeprefix(said):
            yield {"content": rest}
        for shown in self._show_sources(done.sources):
            yield shown

    def _show_sources(self, sources: tuple[Source, ...]) -> Iterator[ChatDelta]:
        """Show in the chat log what the answer was made from; only content is spoken."""
        if not sources:
            return
        self.sources = sources
        call = llm.ToolInput(tool_name=DOCUMENTS, tool_args={}, external=True)
        yield {"tool_calls": [call]}
        yield {
            "role": "tool_result",
            "tool_call_id": call.id,
            "tool_name": call.tool_name,
            "result": llm.ToolResult(data={"sources": [asdict(source) for source in sources]}),
        }

    async def _async_call(self, call: Call) -> AsyncGenerator[ChatDelta]:
        """Carry out a call, shown in the chat log as a tool's call and result."""
        tool = llm.ToolInput(tool_name=call.name, tool_args=call.arguments, id=call.id, external=True)
        yield {"tool_calls": [tool]}
        result = self.results[call.id] = await async_carry_out(self.hass, call, self.user_input)
        yield {
            "role": "tool_result",
            "tool_call_id": call.id,
            "tool_name": call.name,
            "result": llm.ToolResult(data=result.as_tool_result(), error=not result.ok),
        }
        yield {"role": "assistant"}

    async def _async_conclude(self, done: Done) -> str:
        """What is said in the end: of failures, of states that were asked for, or what the node has said."""
        if self.has_failed:
            results = {call: result.ok for call, result in self.results.items()}
            said = await self._async_said(self.asks, report(ulid_now(), self.session, results))
            return said or await async_error(self.hass, self.user_input.language, "failed")
        if self.asked:
            house = describe(self.hass, self.asked, with_states=True)
            said = await self._async_said(self.node, sentence(ulid_now(), self.user_input.text, house=house))
            return said or states_in_words(self.hass, self.asked)
        return done.text

    async def _async_said(self, node: Node, request: Request) -> str | None:
        """What ``node`` says to a request that comes to no calls; None if it says nothing."""
        try:
            async with aclosing(node.async_ask(request)) as frames:
                async for frame in frames:
                    if isinstance(frame, Done):
                        return frame.text if frame.outcome == "spoken" and not frame.calls else None
        except NodeError:
            pass
        return None
