"""Takes messages from the broker to the responder: decides on each, and carries the decision out.

Runs on the network thread: it never generates, never blocks, never touches a file.
"""

from typing import assert_never
from uuid import uuid4

from edge_llm.errors import RequestError
from edge_llm.event_log import EventLog, RateLimitedLog
from edge_llm.gateway.decision import (
    Admission,
    Admit,
    Cancel,
    Decision,
    Ignore,
    LookUp,
    Refuse,
    Repeat,
    Replay,
    shown,
)
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.reply import Asked, Reply
from edge_llm.gateway.request_log import RequestLog
from edge_llm.gateway.responder import Responder
from edge_llm.mqtt.message import Message

log = EventLog(__name__)

COMMANDS = 16
"""Messages that the broker may hand out beside the requests that fit: cancellations must not wait."""
_MAX_REPLIES = 512
"""Maximum replies and refusals waiting to be sent; above it, refusals at QoS 0 are dropped."""


class Gateway:
    """Takes what clients ask of a node; what they are answered goes out by ``Publisher``."""

    def __init__(
        self,
        node: str,
        admission: Admission,
        in_flight: InFlight,
        request_log: RequestLog,
        responder: Responder,
    ) -> None:
        """Give what ``admission`` admits to ``responder``."""
        self.marker = uuid4().hex
        """Id of a cancel that the node publishes to itself when it connects: see ``on_message``."""
        self.rejected_total = 0
        self._node = node
        self._admission = admission
        self._in_flight = in_flight
        self._request_log = request_log
        self._responder = responder
        self._backlog_s = 0.0
        self._refusals = RateLimitedLog(log)

    def on_connected(self, session_present: bool) -> None:  # noqa: FBT001 - what Connection gives
        """Find out how long the broker may have kept what it sends now, without saying since when."""
        self._backlog_s = self._request_log.silence_s() if session_present else 0.0

    def on_message(self, message: Message) -> None:
        """Take one message from the broker; the network thread's only work."""
        try:
            self._carry_out(self._admission.decide(message, self._backlog_s), message)
        except Exception as error:  # noqa: BLE001 - nothing that arrives may end the network thread
            # The type alone: messages of errors may quote the prompt.
            log.error("gateway.failed", topic=message.topic, error=type(error).__name__)  # noqa: TRY400 - it may quote the prompt
            self._apologize(message)

    def _apologize(self, message: Message) -> None:
        """Answer ``internal``, so that nobody waits for an answer that will not come."""
        try:
            self._carry_out(self._admission.failed(message), message)
        except Exception as error:  # noqa: BLE001 - nothing may end the network thread
            log.error("gateway.failed_again", error=type(error).__name__)  # noqa: TRY400 - it may quote the prompt
            message.acknowledge()

    def _carry_out(self, decision: Decision, message: Message) -> None:
        match decision:
            case Ignore(reason):
                self._refusals.info("gateway.ignored", reason=reason)
                message.acknowledge()
            case Cancel(client, request_id):
                message.acknowledge()
                if request_id == self.marker:
                    # The broker hands messages out in order: whatever comes from now on was published since.
                    self._backlog_s = 0.0
                for reply in self._in_flight.asked(client, request_id):
                    self._responder.cancel(reply)
            case Refuse(asked, error):
                self._refuse(asked, error)
            case Repeat(reply):
                reply.repeat(message)
            case Replay(asked, terminal):
                reply = self._reply(asked)
                self._in_flight.add(reply)
                reply.replay(terminal)
            case LookUp(asked):
                self._submit(self._reply(asked))
            case Admit():
                self._admit(decision)
            case _:
                assert_never(decision)

    def _admit(self, admit: Admit) -> None:
        """Have a request answered that is remembered from now on."""
        asked, record = admit.asked, admit.record
        reply = Reply(self._node, asked, self._in_flight.changed, record, admit.expires_at)
        self._request_log.keep(
            asked.client, record
        )  # first: the reply may have ended when the next line returns
        if self._submit(reply):
            log.info("request.accepted", client=asked.client, id=record.id)
        else:
            self._request_log.withdraw(asked.client, record.id)

    def _submit(self, reply: Reply) -> bool:
        """Give a reply to the responder; False where that refuses it, and the client was told so."""
        key = self._in_flight.add(reply, reply.record.id if reply.record else None)
        try:
            self._responder.submit(reply)
        except RequestError as error:
            self._in_flight.remove(key)
            self._refuse(reply.asked, error)
            return False
        except Exception:
            self._in_flight.remove(key)
            raise
        self._in_flight.submitted(reply)
        return True

    def _refuse(self, asked: Asked, error: RequestError) -> None:
        """Answer with an error, under a key of its own: a good request with the same id may be in flight."""
        self.rejected_total += 1
        client = shown(asked.client)
        self._refusals.info("gateway.refused", kind=asked.kind, client=client, code=error.code)
        reply = self._reply(asked)
        if len(self._in_flight) >= _MAX_REPLIES and not reply.qos1:
            self._refusals.info("gateway.dropped", client=client, code=error.code)
            return
        self._in_flight.add(reply)
        reply.error(error.code, str(error), retry_after_ms=error.retry_after_ms)

    def _reply(self, asked: Asked) -> Reply:
        return Reply(self._node, asked, self._in_flight.changed)
