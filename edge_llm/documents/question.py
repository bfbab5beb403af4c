"""One request as it is passed on to the node: under which ids, with which passages, and what comes back."""

import hashlib
from threading import Event
from typing import Any

from edge_llm.contract.frames import Call, Delta, Done, FinishReason, Header, Status, TimingMs, Usage
from edge_llm.contract.requests import Request, SessionCommand
from edge_llm.documents.passage import Found
from edge_llm.documents.prompt import Prompt, question_of, sources_of
from edge_llm.errors import RequestError
from edge_llm.gateway.reply import Reply

_OWN_FIELDS = {"v", "id", "session", "custom", "stream", "text"}
"""Fields of a request that are not passed on as they are."""
_NOTHING = Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0)
_NO_TIME = TimingMs(queue=0, prefill=0, ttft=0, total=0)


class Question:
    """A request or a session command in progress; the node sees ids that belong to nobody else.

    They are made of the client and its own ids: a question that comes again after a restart is the same to
    the node, which answers it once, and acts once.
    """

    def __init__(self, reply: Reply) -> None:
        """Take what ``reply`` has to answer."""
        asked = reply.asked
        assert isinstance(asked.request, Request | SessionCommand)
        self.reply = reply
        self.request = asked.request
        session = asked.request.session
        self.id = _hash(asked.client, asked.request.id)
        self.session = None if session is None else _hash(asked.client, session)
        self.cancelled = Event()
        self.said = ""
        """Text that has come so far."""
        self.found = Found()
        """What goes before the question, or is quoted instead of a model's words."""
        self._quotation: str | None = None

    @property
    def client(self) -> str:
        """Who asks."""
        return self.reply.asked.client

    @property
    def text(self) -> str:
        """What passages are looked for with; empty where none are to be had.

        So it is where the model may call tools: no document is to make it call one.
        """
        request = self.request
        if not isinstance(request, Request) or self._may_call:
            return ""
        return question_of(request.text, request.messages or ())

    @property
    def needs_passages(self) -> bool:
        """Whether nothing is asked where no passage fits: it is for the papers alone."""
        request = self.request
        others = self._may_call or not isinstance(request, Request) or request.act or request.response_format
        return not others

    @property
    def _may_call(self) -> bool:
        request = self.request
        return isinstance(request, Request) and bool(request.tools) and request.tool_choice != "none"

    def fields(self, prompt: Prompt) -> dict[str, Any]:
        """The request's fields for the node; passages are in its system text, or what it says otherwise.

        Of a question alone the id is another one with other passages: the folder may have changed since it
        was asked first. What may act keeps its id.
        """
        request = self.request
        assert isinstance(request, Request)
        fields = request.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_OWN_FIELDS)
        fields |= {"id": self.id, "session": self.session, "text": request.text}
        passages = self.found.passages
        if passages and prompt.quotes and request.act:
            if request.act == "auto":
                fields["otherwise"] = self._quotation = prompt.quotation(self.found)
        elif passages:
            turns, own = fields.get("messages"), [request.system] if request.system else []
            while turns and len(turns) > 1 and turns[0]["role"] == "system":  # a model may take one alone
                own.append(turns.pop(0)["content"])
            fields["system"] = system = prompt.system(passages, "\n\n".join(own))
            if self.needs_passages:
                fields["id"] = self.id = _hash(self.client, request.id, system)
        return fields

    def relay(self, frame: Status | Delta | Call | Done) -> None:
        """Hand a frame of the node on."""
        reply = self.reply
        match frame:
            case Status():
                reply.status(frame.state, position=frame.position, prompt_tokens=frame.prompt_tokens)
            case Delta():
                self.said += frame.text
                if reply.streams:
                    reply.delta(frame.text)
            case Call():
                reply.call(frame.index, frame.call)
            case Done():
                own = {**reply.header(), "custom": self._custom(sourced=self._is_from_passages(frame))}
                reply.end(frame.model_copy(update={**own, "replayed": False}))

    def absent(self, text: str) -> None:
        """End with the word that it is not in the papers, which no model was asked for."""
        self.reply.delta(text)
        self._end(text, "stop")

    def quote(self, text: str) -> None:
        """End with the lines that were found, word for word, which no model was asked for."""
        self.reply.delta(text)
        self._end(text, "stop", sourced=True)

    def cancel(self) -> None:
        """End as cancelled, without the node."""
        self._end(self.said, "cancelled")

    def fail(self, error: RequestError) -> None:
        """End in the error that the node, or the way to it, has given."""
        code, message = error.code, str(error)
        if code == "id_conflict":
            message = "the papers have changed since this was asked first: ask under a new id"
        self.reply.error(code, message, text=self.said, retry_after_ms=error.retry_after_ms, told=True)

    def _end(self, text: str, reason: FinishReason, *, sourced: bool = False) -> None:
        header: Header = {**self.reply.header(), "custom": self._custom(sourced=sourced)}
        self.reply.end(
            Done(
                **header,
                text=text,
                finish_reason=reason,
                model="",
                usage=_NOTHING,
                timing_ms=_NO_TIME,
                tokens_per_second=0.0,
            )
        )

    def _is_from_passages(self, done: Done) -> bool:
        """Whether they are quoted, or the model has read them: not of an act, nor what the house answers."""
        if not (isinstance(self.request, Request) and self.request.act):
            return True
        if done.act is None or done.act.outcome != "spoken":
            return False
        return done.text == self._quotation or done.usage.prompt_tokens > 0

    def _custom(self, *, sourced: bool) -> Any:
        """The asker's ``custom`` with the sources, if it is of a form that can have them."""
        custom = self.request.custom
        if custom is not None and not isinstance(custom, dict):
            return custom
        return {
            **(custom or {}),
            "sources": sources_of(self.found.passages, self.found.best) if sourced else [],
        }


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
