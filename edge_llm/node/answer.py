"""One reply, what makes it, and its energy: the engine's events and an act's words become its frames."""

import hashlib
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import assert_never

from edge_llm.contract.frames import Act, Done, TimingMs, Usage
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.engine import Engine
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.types import (
    CallEvent,
    Completion,
    Event,
    Failure,
    GenerationRequest,
    Queued,
    Started,
    TokenEvent,
)
from edge_llm.gateway.reply import Reply
from edge_llm.node.acts.acting import Acting, Asking, Said, told
from edge_llm.node.acts.actor import Actor, Carried
from edge_llm.telemetry.reply_energy import ReplyEnergyMeter, final_progress
from edge_llm.telemetry.reply_stats import ReplyStats

_NO_TOKENS = Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0)
_SPOKEN = Act(outcome="spoken")


def key_of(reply: Reply) -> str:
    """What tells the act of a request from all others, over a restart."""
    record = reply.record
    seed = f"{reply.asked.client} {reply.asked.request.id} {record.arrived if record else None}"
    return hashlib.sha256(seed.encode()).hexdigest()[:32]


class Answer:
    """One reply and the sequence that makes it, with its energy; the events of one go into the other."""

    def __init__(
        self,
        reply: Reply,
        request: GenerationRequest,
        engine: Engine,
        stats: ReplyStats,
        model: str,
        actor: Actor | None = None,
    ) -> None:
        """Begin without a token; ``request`` is not submitted. ``actor`` does what is the node's to do."""
        self.reply = reply
        self.sequence = Sequence(request, self._emit)
        self.meter = ReplyEnergyMeter(lambda: engine.progress(self.sequence))
        self.completion: Completion | None = None
        self.dropped_before = 0
        """Turns of the session that earlier prompts have dropped; known when the sequence is released."""
        self._stats = stats
        self._model = model
        self._actor = actor
        self._began = monotonic()
        self._deciding: tuple[Acting, Asking] | None = None
        self._said: Said | None = None
        self._act: Act | None = None

    @property
    def turn(self) -> Turn | None:
        """The reply as a turn of its session; None where it said nothing."""
        completion = self.completion
        if completion is None:
            return None
        if self._said:
            return Turn(role="assistant", content=self._said.text) if self._said.text else None
        text, calls, ids = completion.text, completion.calls, completion.token_ids
        if not text and not calls:
            return None
        if ids is None:
            return Turn(role="assistant", content=text, tool_calls=calls)
        return GeneratedTurn(role="assistant", content=text, tool_calls=calls, token_ids=ids)

    def decide(self, acting: Acting, asking: Asking) -> None:
        """Let the model choose what an act means, in the time that its request has."""
        self._deciding = acting, asking
        self.sequence = Sequence(asking.generation(self.sequence.request), self._emit)

    def speak(self) -> None:
        """Answer a sentence that is no command as the ordinary request that it is, too."""
        self._act = _SPOKEN

    def say(self, said: Said) -> None:
        """End with what an act comes to that needs no model, once the node has done what is its part."""
        self._carry_out(
            said,
            lambda done: self._end_without_model(
                Completion(done.text, "stop", _NO_TOKENS, self._timing_ms()), done
            ),
        )

    def cancel(self) -> None:
        """End a request as cancelled that was never submitted."""
        self._end_without_model(Completion("", "cancelled", _NO_TOKENS, self._timing_ms()), None)

    def _carry_out(self, said: Said, then: Callable[[Said], None]) -> None:
        """Have the node's part of an act done, and go on with what has become of it."""
        if said.plan is None or self._actor is None:
            then(said)
            return

        def on_end(carried: Carried) -> None:
            if carried.is_left:
                self.reply.error("unavailable", "the node is stopping")
            else:
                then(told(said, carried))

        asked = self.reply.asked
        self._actor.carry_out(
            key_of(self.reply), asked.client, said.plan, self.reply.expires_at or inf, on_end
        )

    def _end_without_model(self, completion: Completion, said: Said | None) -> None:
        self._stats.begin(self.meter)
        self.meter.start()
        self._tell(completion, said)

    def _timing_ms(self) -> TimingMs:
        total = 1000 * (monotonic() - self._began)
        return TimingMs(queue=0, prefill=0, ttft=total, total=total)

    def _emit(self, event: Event) -> None:
        reply = self.reply
        match event:
            case TokenEvent(text):
                if not self._deciding:
                    reply.delta(text)
            case CallEvent(index, call):
                reply.call(index, call)
            case Queued(position):
                self._stats.begin(self.meter)
                reply.status("queued", position=position)
            case Started(prompt_tokens):
                self.meter.start()
                reply.status("prefill", prompt_tokens=prompt_tokens)
            case Completion():
                self._complete(event)
            case Failure(code, message, text):
                self._stats.failed(self.meter, code)
                reply.error(code, message, text="" if self._deciding else text)
            case _:
                assert_never(event)

    def _complete(self, completion: Completion) -> None:
        if self._deciding and completion.finish_reason != "cancelled":
            acting, asking = self._deciding
            said = acting.conclude(asking, completion)
            self._carry_out(said, lambda done: self._tell(completion, done))
        else:
            self._tell(completion, None)

    def _tell(self, completion: Completion, said: Said | None) -> None:
        """End the reply with a completion, or with what an act came to."""
        self.completion, self._said = completion, said
        self.meter.close(final_progress(completion.usage, completion.timing_ms))
        calls, text, reason = completion.calls, completion.text, completion.finish_reason
        if said:
            calls, text, reason = said.calls, said.text, "tool_calls" if said.calls else "stop"
            for index, call in enumerate(calls):
                self.reply.call(index, call)
            if text:
                self.reply.delta(text)
        elif self._deciding:
            text = ""  # it was cut
        dropped = self.dropped_before + completion.usage.dropped_messages
        self.reply.end(
            Done(
                **self.reply.header(),
                text=text,
                calls=calls or None,
                act=said.outcome if said else self._act,
                finish_reason=reason,
                model=self._model,
                usage=completion.usage.model_copy(update={"dropped_messages": dropped}),
                timing_ms=completion.timing_ms,
                tokens_per_second=completion.tokens_per_second,
            )
        )
