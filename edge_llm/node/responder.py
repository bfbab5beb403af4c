"""Joins the contract and the engine: turns requests into replies, with sessions, energy and counts."""

from collections import defaultdict
from time import monotonic
from typing import TypeVar

from edge_llm.bundle import Manifest, Sampling
from edge_llm.config import SamplingSettings
from edge_llm.contract.frames import Act, Done, Sessions, Terminal
from edge_llm.contract.requests import Request, SessionCommand
from edge_llm.engine.engine import Engine
from edge_llm.engine.types import GREEDY, GenerationRequest, SamplingParams
from edge_llm.errors import EdgeLlmError, RequestError
from edge_llm.event_log import EventLog, stack_of
from edge_llm.gateway.reply import Reply
from edge_llm.node.acts.acting import Acting, Said
from edge_llm.node.acts.actor import Actor
from edge_llm.node.answer import Answer, key_of
from edge_llm.node.sessions import SessionStore
from edge_llm.telemetry.reply_stats import ReplyStats

log = EventLog(__name__)


class Responder:
    """Answers the gateway's requests from the engine; see ``gateway.responder``."""

    def __init__(
        self,
        engine: Engine,
        model: Manifest,
        defaults: SamplingSettings,
        sessions: SessionStore,
        stats: ReplyStats,
        acting: Acting,
        *,
        actor: Actor | None = None,
        constrained: bool = True,
    ) -> None:
        """Fill in ``defaults``, then what ``model`` recommends, where a request does not say.

        Sentences to the house go to ``acting``, and what of them is the node's to do to ``actor``. Unless the
        engine is ``constrained`` they are refused, and so are tools that may be called, and JSON by a schema.
        """
        self._engine = engine
        self._model = model.name
        self._defaults = defaults
        self._recommended = model.sampling or Sampling()
        self._acting = acting
        self._actor = actor
        self._constrained = constrained
        self._sessions = sessions
        self._stats = stats
        self._answers: dict[Reply, Answer] = {}
        self._queues: defaultdict[tuple[str, str], list[Answer]] = defaultdict(list)
        """Requests in progress of each session, oldest first; the publisher thread's own."""

    def submit(self, reply: Reply) -> None:
        """Give a request to the engine; what belongs to a session waits there for its history."""
        request = reply.asked.request
        if isinstance(request, SessionCommand):
            return
        if isinstance(request, Request):
            generation = self._generation(request, reply)
        else:
            generation = GenerationRequest(
                request.conversation(), 0, prefill_only=True, tools=request.tools or ()
            )
        answer = Answer(reply, generation, self._engine, self._stats, self._model, self._actor)
        self._answers[reply] = answer
        try:
            if isinstance(request, Request) and request.act:
                if not (self._actor and reply.asked.message.duplicate):  # it may have been begun
                    self._acting.check(request)  # it begins on the publisher's thread
            else:
                self._engine.submit(answer.sequence)
        except RequestError:
            del self._answers[reply]
            raise

    def _generation(self, request: Request, reply: Reply) -> GenerationRequest:
        may_call = bool(request.tools) and request.tool_choice != "none"
        if not self._constrained and (may_call or request.response_format or request.act):
            field = "tools" if may_call else "act" if request.act else "response_format"
            raise RequestError("bad_request", f"{field}: this node has engine.constraints: off")
        defaults = self._defaults
        return GenerationRequest(
            turns=request.conversation(),
            max_tokens=_either(request.max_tokens, defaults.max_tokens),
            sampling=self._sampling(request),
            stop=request.stop,
            enable_thinking=bool(request.enable_thinking),
            tools=request.tools or (),
            tool_choice=request.tool_choice or "auto",
            response_schema=request.response_format.json_schema if request.response_format else None,
            deadline=monotonic() + _either(request.timeout_s, defaults.timeout_s),
            expires_at=reply.expires_at,
            owner=reply.asked.client,
            redelivered=reply.asked.message.duplicate,
            awaits_history=request.session is not None,
        )

    def _sampling(self, request: Request) -> SamplingParams:
        """Choose each sampling parameter: the request's, else the configuration's, the bundle's, greedy."""
        settings, model, last = self._defaults, self._recommended, GREEDY
        return SamplingParams(
            temperature=_either(
                request.temperature, settings.temperature, model.temperature, last.temperature
            ),
            top_k=_either(request.top_k, settings.top_k, model.top_k, last.top_k),
            top_p=_either(request.top_p, settings.top_p, model.top_p, last.top_p),
            seed=request.seed,
            min_p=_either(request.min_p, settings.min_p, model.min_p, last.min_p),
            repetition_penalty=_either(
                request.repetition_penalty,
                settings.repetition_penalty,
                model.repetition_penalty,
                last.repetition_penalty,
            ),
            frequency_penalty=_either(
                request.frequency_penalty, settings.frequency_penalty, last.frequency_penalty
            ),
            presence_penalty=_either(
                request.presence_penalty, settings.presence_penalty, last.presence_penalty
            ),
        )

    def cancel(self, reply: Reply) -> None:
        """End a reply within one step; without effect on one that is over."""
        answer = self._answers.get(reply)
        if answer:
            self._engine.cancel(answer.sequence)

    def prepare(self, reply: Reply) -> None:
        """Answer a session command; let a session's request begin, unless an earlier one is not over yet."""
        request = reply.asked.request
        if isinstance(request, SessionCommand):
            self._look_up(reply, request)
            return
        answer = self._answers.get(reply)
        if answer is None:
            return
        if request.session is not None:
            queue = self._queues[reply.asked.client, request.session]
            queue.append(answer)
            if len(queue) == 1:
                self._release(answer)
        elif isinstance(request, Request) and request.act:
            self._act(answer, request)

    def _release(self, answer: Answer) -> None:
        """Let a request begin, when those of its session before it are over."""
        request = answer.reply.asked.request
        if isinstance(request, Request) and request.act:
            self._act(answer, request)
        else:
            self._bring_history(answer)

    def _act(self, answer: Answer, request: Request) -> None:
        """Find out what an act means, and end the reply, unless the model has to choose."""
        reply, began = answer.reply, answer.sequence
        try:
            if began.cancelled:
                answer.cancel()
            elif late := began.request.late(monotonic(), begun=False):
                reply.error(late.code, str(late))
            else:
                self._begin_act(answer, request)
                if began.cancelled:  # meanwhile
                    self._engine.cancel(answer.sequence)
        except RequestError as error:
            reply.error(error.code, str(error), retry_after_ms=error.retry_after_ms)
        except Exception as error:  # noqa: BLE001 - what is wrong with one act must not end another reply
            # The type alone: messages of errors may quote the sentence.
            log.error("act.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - as above
            reply.error("internal", "the act failed; the node's log says more")

    def _begin_act(self, answer: Answer, request: Request) -> None:
        if self._actor and (plan := self._actor.begun(key_of(answer.reply))):
            answer.say(Said("", plan=plan))
            return
        said = self._acting.begin(answer.reply.asked.client, request)
        if isinstance(said, Said):
            answer.say(said)
        elif said:
            answer.decide(self._acting, said)
            self._engine.submit(answer.sequence)
        elif request.otherwise is not None:
            answer.say(Said(request.otherwise, outcome=Act(outcome="spoken")))
        else:
            answer.speak()
            self._engine.submit(answer.sequence)
            if request.session is not None:
                self._bring_history(answer)

    def _bring_history(self, answer: Answer) -> None:
        """Bring a request the turns of its session, without its own, if it is made again."""
        asked = answer.reply.asked
        try:
            session = asked.request.session or ""
            history = self._sessions.history(asked.client, session, asked.request.id)
        except EdgeLlmError as error:
            self._engine.cancel(answer.sequence, RequestError("internal", str(error)))
        else:
            answer.dropped_before = history.dropped
            self._engine.release(answer.sequence, history.turns)

    def complete(self, reply: Reply, terminal: Terminal) -> Terminal:
        """Add the reply to its session, release the next request of that, and add the energy to the frame."""
        answer = self._answers.pop(reply, None)
        if answer is None:
            return terminal
        self._remember(answer)
        if answer.completion is None or not isinstance(terminal, Done):
            return terminal
        completion = answer.completion
        energy = self._stats.completed(answer.meter, completion.usage, completion.timing_ms)
        return terminal.model_copy(update={"energy": energy})

    def _remember(self, answer: Answer) -> None:
        """Add a request's turns and its reply to its session, and let the next of the session begin."""
        asked, completion = answer.reply.asked, answer.completion
        request = asked.request
        if not isinstance(request, Request) or request.session is None:
            return
        if completion and (said := answer.turn):
            turns = [turn for turn in request.conversation() if turn.role != "system"]
            turns.append(said)
            dropped = completion.usage.dropped_messages
            self._sessions.append(asked.client, request.session, request.id, *turns, dropped=dropped)
        queue = self._queues[asked.client, request.session]
        was_first = bool(queue) and queue[0] is answer
        if answer in queue:
            queue.remove(answer)
        if not queue:
            del self._queues[asked.client, request.session]
        elif was_first:
            self._release(queue[0])

    def _look_up(self, reply: Reply, command: SessionCommand) -> None:
        client, session = reply.asked.client, command.session or ""
        try:
            if command.op in ("reset", "delete"):
                self._sessions.delete(client, session)
            turns = self._sessions.load(client, session) if command.op == "get" else None
            sessions = self._sessions.list(client)
        except EdgeLlmError as error:
            log.error("sessions.failed", reason=str(error))  # noqa: TRY400 - a traceback says no more
            reply.error("internal", str(error))
        else:
            reply.end(Sessions(**reply.header(), op=command.op, sessions=sessions, messages=turns))


Value = TypeVar("Value")


def _either(*values: Value | None) -> Value:
    """Return the first value that is not None; the last one never is."""
    return next(value for value in values if value is not None)
