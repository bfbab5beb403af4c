"""Answers requests from the papers: quotes them, or asks the node with them and relays what it says."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from threading import Condition, Thread
from time import monotonic

from edge_llm.client import Client
from edge_llm.client.client import MARGIN_S
from edge_llm.contract.frames import Sessions, Terminal
from edge_llm.contract.requests import Prefill, Request, SessionCommand
from edge_llm.documents.passage import Found
from edge_llm.documents.prompt import Prompt
from edge_llm.documents.question import Question
from edge_llm.errors import RETRYABLE, EdgeLlmError, RequestError
from edge_llm.event_log import EventLog, stack_of
from edge_llm.gateway.reply import Reply

log = EventLog(__name__)

AT_ONCE = 16
"""Requests that are passed on at a time: each has a thread, and a node has less room than that."""
SHARE = AT_ONCE // 2
"""Maximum of them of one client: another one's is passed on at once."""
WAITING = 48
"""Maximum number of requests that wait for one of these."""
_RETRY_MS = 1000
_READING_MS = 5000
"""When to ask again what was not found in papers that are still being read."""

Find = Callable[[str, int], Found]
"""Finds passages for a question, of so many characters at most."""


class Responder:
    """Answers the gateway's requests by asking a node; see ``gateway.responder``.

    Requests of one session are passed on one after the other, in the order in which they came.
    """

    def __init__(
        self,
        find: Find,
        is_complete: Callable[[], bool],
        prompt: Prompt,
        client: Client,
        timeout_s: float,
        ttl_s: float,
    ) -> None:
        """Answer with what ``find`` has found by ``prompt``, and ask by ``client``, which is running.

        Until ``is_complete`` nobody is told that something is not there. The node ends a reply after
        ``timeout_s`` and begins none after ``ttl_s``, unless a request says so.
        """
        self._find = find
        self._is_complete = is_complete
        self._prompt = prompt
        self._client = client
        self._timeout_s = timeout_s
        self._ttl_s = ttl_s
        self._changed = Condition()
        self._waiting: deque[Question] = deque()
        self._active: dict[Reply, Question] = {}
        self._stopping = False
        # Daemons: one may wait for a node whose answer is left to the next process.
        self._threads = [
            Thread(target=self._work, name=f"asking-{number}", daemon=True) for number in range(AT_ONCE)
        ]

    @property
    def threads(self) -> tuple[str, ...]:
        """The names of the threads."""
        return tuple(thread.name for thread in self._threads)

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def stop(self, grace_s: float) -> None:
        """Leave what waits to the next process, and after ``grace_s`` what the node has not answered."""
        with self._changed:
            self._stopping = True
            waiting, self._waiting = [*self._waiting], deque()
            self._changed.notify_all()
        for question in waiting:
            _leave(question)
        with self._changed:
            self._changed.wait_for(lambda: not self._active, grace_s)
            active = [*self._active.values()]
        for question in active:
            _leave(question)

    def submit(self, reply: Reply) -> None:
        """Accept a request, or a session command; on the network thread.

        Raises:
            RequestError: it cannot be accepted.
        """
        request = reply.asked.request
        if isinstance(request, Prefill):
            raise RequestError(
                "bad_request", "prefill: passages come with their question; ask the node itself"
            )
        if isinstance(request, SessionCommand) and request.op == "list":
            raise RequestError(
                "bad_request", "op: get, reset and delete; conversations here cannot be listed"
            )
        question = Question(reply)
        with self._changed:
            if self._stopping:
                raise RequestError("unavailable", "the service is stopping")
            if len(self._waiting) >= WAITING:
                raise RequestError("busy", f"{WAITING} requests wait already", retry_after_ms=_RETRY_MS)
            reply.status("queued", position=len(self._waiting))
            self._waiting.append(question)
            self._changed.notify_all()

    def cancel(self, reply: Reply) -> None:
        """End a reply soon, on the node too; without effect on one that is over. On the network thread."""
        with self._changed:
            active = self._active.get(reply)
            waiting = next((each for each in self._waiting if each.reply is reply), None)
            if waiting:
                self._waiting.remove(waiting)
        if waiting:
            waiting.cancel()
        elif active:
            active.cancelled.set()
            self._client.cancel(active.id)

    def prepare(self, reply: Reply) -> None:
        """Nothing: no file is read for a request."""

    def complete(self, reply: Reply, terminal: Terminal) -> Terminal:  # noqa: ARG002 - the protocol's
        """Return the frame as it is: the node remembers the session."""
        return terminal

    def _work(self) -> None:
        """Answer one request after the other; the body of each thread."""
        while question := self._next():
            try:
                self._answer(question)
            except RequestError as error:
                (_leave(question) if self._stopping and error.code in RETRYABLE else question.fail(error))
            except EdgeLlmError as error:
                log.error("documents.failed", reason=str(error))  # noqa: TRY400 - a traceback says no more
                question.fail(RequestError("internal", str(error)))
            except Exception as error:  # noqa: BLE001 - what is wrong with one request must not end another
                log.error("documents.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - a message may quote a prompt
                question.fail(RequestError("internal", "the request failed; the service's log says more"))
            finally:
                with self._changed:
                    del self._active[question.reply]
                    self._changed.notify_all()

    def _next(self) -> Question | None:
        """Wait for a request that may be passed on; None when it is time to stop."""
        with self._changed:
            while not self._stopping:
                if question := self._chosen():
                    self._waiting.remove(question)
                    self._active[question.reply] = question
                    return question
                self._changed.wait()
        return None

    def _chosen(self) -> Question | None:
        """The first of the client with the fewest in progress, whose session has none."""
        busy = {each.session for each in self._active.values() if each.session}
        clients = Counter(each.client for each in self._active.values())
        able = [each for each in self._waiting if each.session not in busy and clients[each.client] < SHARE]
        return min(able, key=lambda each: clients[each.client], default=None)

    def _answer(self, question: Question) -> None:
        request = question.request
        if isinstance(request, SessionCommand):
            self._command(question, request)
            return
        if text := question.text:
            found = self._find(text, self._prompt.characters(text))
            question.found = replace(found, passages=self._prompt.fitting(found.passages))
        if question.needs_passages and not question.found.passages:
            if not self._is_complete():
                raise RequestError("busy", "the papers are still being read", retry_after_ms=_READING_MS)
            question.absent(self._prompt.absent)
            return
        if question.needs_passages and self._prompt.quotes:
            question.quote(self._prompt.quotation(question.found))
            return
        self._ask(question, request)

    def _ask(self, question: Question, request: Request) -> None:
        """Ask the node, again while it is busy and the request may still be begun.

        Raises:
            RequestError: it has not answered.
        """
        fields = question.fields(self._prompt)
        begin_by = question.reply.expires_at
        timeout_s = (request.timeout_s or self._timeout_s) + (request.ttl_s or self._ttl_s) + MARGIN_S
        while not question.cancelled.is_set():
            if begin_by is not None and monotonic() >= begin_by:
                raise RequestError("expired", "the request is older than its ttl_s: it was not begun")
            try:
                for frame in self._client.stream(
                    timeout_s=timeout_s, retry=False, begin_by=begin_by, **fields
                ):
                    if question.cancelled.is_set():  # it may not have been sent yet when it was cancelled
                        self._client.cancel(question.id)
                    question.relay(frame)
            except RequestError as error:
                if question.cancelled.is_set():
                    break
                if error.code not in ("busy", "rate_limited") or self._stopping:
                    raise
                question.cancelled.wait((error.retry_after_ms or _RETRY_MS) / 1000)
            else:
                return
        question.cancel()

    def _command(self, question: Question, command: SessionCommand) -> None:
        """Have the node look at, or forget, a session.

        Raises:
            RequestError: it has not answered.
        """
        try:
            answer = self._client.command(command.op, question.session)
        except ValueError as error:
            text = "session: which node of the pool has it is not known; ask in it first"
            raise RequestError("bad_request", text) from error
        sessions = (command.session or "",) if question.session in answer.sessions else ()
        reply = question.reply
        reply.end(Sessions(**reply.header(), op=command.op, sessions=sessions, messages=answer.messages))


def _leave(question: Question) -> None:
    """End a reply so that the next process answers, where the request was sent at QoS 1."""
    question.reply.error("unavailable", "the service is stopping", text=question.said)
