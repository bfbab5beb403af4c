"""From a transcript to what is said: asks the node, and tells the outcome in Wyoming's events."""

import hashlib
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

from wyoming.asr import Transcript
from wyoming.event import Event
from wyoming.handle import Handled, HandledChunk, HandledStart, HandledStop, NotHandled

from edge_llm.client import Call, Delta, Done, RequestError
from edge_llm.client.asynchronous import Frame
from edge_llm.event_log import EventLog, RateLimitedLog
from edge_llm.voice.apologies import apology, reason_of
from edge_llm.voice.asking import Asker
from edge_llm.voice.node_view import NodeView
from edge_llm.voice.speakable import Sentences

log = EventLog(__name__)

_NOT_DONE = ("failed", "impossible", "unclear")
"""Outcomes of an act that did nothing, and asked for no yes."""
_MOST_ID = 100
"""Maximum length of an id or an area that a caller names; it is cut."""


class Answering:
    """Answers transcripts."""

    def __init__(self, asker: Asker, node: NodeView, area: str | None, max_tokens: int) -> None:
        """Ask by ``asker``; ``area`` is where somebody is who does not say it."""
        self._asker = asker
        self._node = node
        self._area = area
        self._max_tokens = max_tokens
        self._log = RateLimitedLog(log)

    async def events(self, heard: Transcript, conversation: str) -> AsyncGenerator[Event]:
        """Yield the events of the answer; ``conversation`` is that of a caller that names none.

        A reply that takes its time is streamed sentence by sentence.
        """
        context = dict(heard.context or {})
        conversation = _text(context, "conversation_id") or conversation
        context["conversation_id"] = conversation
        text = heard.text.strip()
        languages = heard.language, self._node.language
        if not text:
            yield NotHandled(apology("silence", *languages), context).event()
            return
        answer = _Answer(context)
        try:
            async with self._asker.ask(**self._request(text, context, conversation)) as frames:
                async for frame in frames:
                    for event in answer.add(frame, apology("not_here", *languages)):
                        yield event
        except RequestError as error:
            self._log.info("voice.not_handled", code=error.code)
            for event in answer.fail(apology(reason_of(error.code), *languages)):
                yield event

    def _request(self, text: str, context: dict[str, Any], conversation: str) -> dict[str, Any]:
        request = {"text": text, "session": _session(conversation), "max_tokens": self._max_tokens}
        if self._node.has_no_house:
            return request
        return request | {"act": "auto", "context_area": _text(context, "area") or self._area}


class _Answer:
    """The events of one answer."""

    def __init__(self, context: dict[str, Any]) -> None:
        self._context = context
        self._sentences = Sentences()
        self._whole: list[str] = []
        """Sentences that are streamed when more comes: what an act comes to is told at once."""
        self._said: list[str] = []
        self._is_streamed = self._has_calls = False

    def add(self, frame: Frame, not_here: str) -> list[Event]:
        """The events of a frame; ``not_here`` is said of calls, which are for a hub to carry out."""
        if isinstance(frame, Delta) and not self._has_calls:
            events = self._chunks(self._whole)
            self._whole = self._sentences.add(frame.text)
            return events
        if isinstance(frame, Call):
            self._has_calls = True
        return self._end(frame, not_here) if isinstance(frame, Done) else []

    def _end(self, done: Done, not_here: str) -> list[Event]:
        if done.calls:
            log.warning("voice.not_carried_out", intents=sorted({call.name for call in done.calls}))
            return self.fail(not_here)
        is_cut = done.finish_reason == "length" and bool(self._said or self._whole)
        rest = self._whole + self._sentences.end(is_cut=is_cut)
        is_handled = done.act is None or done.act.outcome not in _NOT_DONE
        if not self._is_streamed:
            return [self._handled(rest, is_handled=is_handled)]
        return [*self._chunks(rest), self._handled(rest, is_handled=is_handled), HandledStop().event()]

    def fail(self, text: str) -> list[Event]:
        """End with a sentence that says what is wrong, also where some of it has been said."""
        if not self._is_streamed:
            return [NotHandled(text, self._context).event()]
        return [
            HandledChunk(f" {text}").event(),
            NotHandled(text, self._context).event(),
            HandledStop().event(),
        ]

    def _chunks(self, sentences: list[str]) -> list[Event]:
        """The events of sentences, if there is more to come."""
        events = []
        if sentences and not self._is_streamed:
            self._is_streamed = True
            events.append(HandledStart(self._context).event())
        for sentence in sentences:
            events.append(HandledChunk(f" {sentence}" if self._said else sentence).event())
            self._said.append(sentence)
        return events

    def _handled(self, rest: list[str], *, is_handled: bool) -> Event:
        said = self._said if self._is_streamed else rest
        kind = Handled if is_handled else NotHandled
        return kind(" ".join(said), self._context).event()


def new_conversation() -> str:
    """An id for a conversation that its caller has given none."""
    return uuid4().hex


def _session(conversation: str) -> str:
    """The node's session of a conversation, whatever its id is made of."""
    return f"voice-{hashlib.sha256(conversation.encode()).hexdigest()[:24]}"


def _text(context: dict[str, Any], name: str) -> str | None:
    """A text in a context of a caller's making."""
    value = context.get(name)
    return value[:_MOST_ID] if isinstance(value, str) and value.strip() else None
