"""Decides what is done with a message, as data: ignore, cancel, refuse, repeat, replay, look up or admit.

Touches no broker, no file and no model; ``Gateway`` carries the decision out.
"""

from dataclasses import dataclass, replace
from math import inf
from time import monotonic

from edge_llm.config import MqttSettings
from edge_llm.contract.requests import (
    Inbound,
    Request,
    SessionCommand,
    digest,
    parse,
    parse_cancel,
    unreadable,
)
from edge_llm.contract.topics import Topics, is_client_id, is_publishable
from edge_llm.errors import RequestError
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.rate_limit import RateLimiter
from edge_llm.gateway.reply import Asked, Reply
from edge_llm.gateway.reply_to import ReplyTo
from edge_llm.gateway.request_log import RequestLog, RequestRecord
from edge_llm.gateway.routes import RoutedTopic, Routes
from edge_llm.mqtt.message import Message

_SHOWN_CHARACTERS = 64
"""Maximum characters of an illegal client name in the log."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Answer nothing: the message was retained, is on no topic of this node, or cancels without an id."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a client's request, or all of them."""

    client: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error."""

    asked: Asked
    error: RequestError


@dataclass(frozen=True, slots=True)
class Repeat:
    """Send the status of the reply again, which is in progress."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Replay:
    """Answer with the terminal frame that the request had before."""

    asked: Asked
    terminal: bytes


@dataclass(frozen=True, slots=True)
class LookUp:
    """Answer a session command, which is answered anew each time that it comes."""

    asked: Asked


@dataclass(frozen=True, slots=True)
class Admit:
    """Have the request answered, unless it has not begun by ``expires_at`` (time.monotonic)."""

    asked: Asked
    record: RequestRecord
    expires_at: float


Decision = Ignore | Cancel | Refuse | Repeat | Replay | LookUp | Admit


class Admission:
    """The rules by which requests come in: parsing, dedupe, age, rates, and a client's share of the queue."""

    def __init__(
        self,
        settings: MqttSettings,
        topics: Topics,
        routes: Routes,
        request_log: RequestLog,
        in_flight: InFlight,
        capacity: int,
    ) -> None:
        """Admit at most half of ``capacity`` requests of one client at a time."""
        self._settings = settings
        self._topics = topics
        self._routes = routes
        self._request_log = request_log
        self._in_flight = in_flight
        self._limiter = RateLimiter(settings.requests_per_minute)
        self._client_limit = max(1, capacity // 2)

    def decide(self, message: Message, backlog_s: float = 0.0) -> Decision:
        """Decide on one message; only the rate limiter changes by it.

        ``backlog_s`` is the time for which the broker may have kept a message that does not say its age;
        infinite where that cannot be known.
        """
        routed, found = self._find(message.topic)
        if message.retained or found is None:
            return Ignore("retained" if message.retained else "unknown topic")
        kind, client = found
        if not is_client_id(client):
            return self._refuse_name(kind, client, message)
        if kind == "cancel":
            return _decide_cancel(client, message)
        asked = self._read(kind, client, message, routed)
        if isinstance(asked, Refuse):
            return asked
        if isinstance(asked.request, SessionCommand):
            return LookUp(asked)
        return self._decide_request(asked, backlog_s)

    def failed(self, message: Message) -> Decision:
        """Decide on a message that the node has failed to decide on, or to carry out."""
        routed, found = self._find(message.topic)
        if message.retained or found is None or found[0] == "cancel" or not is_client_id(found[1]):
            return Ignore("failed")
        error: RequestError = RequestError("internal", "the node failed at this request; its log says more")
        try:
            reply_to = ReplyTo.of(message, routed, self._settings.response_topics)
        except RequestError:
            reply_to = None
        return self._refuse(*found, message, reply_to, error)

    def _find(self, topic: str) -> tuple[RoutedTopic | None, tuple[str, str] | None]:
        """The route of a topic if it has one, and the kind and client of what comes on it."""
        routed = self._routes.find(topic)
        return routed, ("request", routed.route.client) if routed else self._topics.parse_any(topic)

    def _refuse(
        self, kind: str, client: str, message: Message, reply_to: ReplyTo | None, error: RequestError
    ) -> Refuse:
        """Refuse under the id that the payload has, whatever else is wrong with it."""
        request = unreadable(kind, message.payload, self._settings.request_bytes)
        return Refuse(Asked(kind, client, request, message, reply_to), error)

    def _refuse_name(self, kind: str, client: str, message: Message) -> Decision:
        """Answer a client with an illegal name on that name's reply topic."""
        topic = self._topics.reply(client)
        if kind == "cancel" or not is_publishable(topic):
            return Ignore(f"no client id: {shown(client)}")
        text = "the client id in the topic may have 1 to 64 of the characters A-Z a-z 0-9 _ . -"
        reply_to = ReplyTo(topic, correlation=message.correlation)
        return self._refuse(kind, client, message, reply_to, RequestError("bad_request", text))

    def _read(self, kind: str, client: str, message: Message, routed: RoutedTopic | None) -> Asked | Refuse:
        """Parse a request, and add what its route says."""
        reply_to = None
        try:
            reply_to = ReplyTo.of(message, routed, self._settings.response_topics)
            request: Inbound = parse(kind, message.payload, self._settings.request_bytes)
            if routed and isinstance(request, Request):
                request = routed.complete(request)
        except RequestError as error:
            return self._refuse(kind, client, message, reply_to, error)
        return Asked(kind, client, request, message, reply_to)

    def _decide_request(self, asked: Asked, backlog_s: float) -> Decision:
        """Tell a new request from one that comes again."""
        request, message, client = asked.request, asked.message, asked.client
        body = digest(asked.kind, request)
        if message.duplicate and "id" not in request.model_fields_set:
            before = self._request_log.find_again(client, body, message.packet_id)
            if before:
                request = request.model_copy(update={"id": before.id})
                asked = replace(asked, request=request)
        record = self._request_log.find(client, request.id)
        if record and record.digest != body:
            return Refuse(asked, RequestError("id_conflict", "another request of yours has this id"))
        reply = self._in_flight.find(client, request.id)
        if reply:
            return Repeat(reply)
        if record and record.terminal:
            return Replay(asked, record.terminal)
        # Without an expiry nobody knows when it was published: it is as old as it can be.
        age_s = backlog_s if message.expiry_s is None else 0.0
        arrived = self._request_log.now() - age_s
        record = record or RequestRecord(request.id, body, message.packet_id, arrived)
        try:
            return Admit(asked, record, monotonic() + self._admitted_for_s(asked, record))
        except RequestError as error:
            return Refuse(asked, error)

    def _admitted_for_s(self, asked: Asked, record: RequestRecord) -> float:
        """Seconds within which a request has to begin.

        Raises:
            RequestError: it came too late, or there is too much of this client.
        """
        message = asked.message
        ttl_s = getattr(asked.request, "ttl_s", None) or self._settings.ttl_s
        age_s = self._request_log.age_s(record)
        if age_s == inf and message.expiry_s is not None:
            age_s = 0.0  # how long it may still be begun is what the broker says
        left_s: float = min(ttl_s - age_s, message.expiry_s or ttl_s)
        if left_s <= 0:
            raise RequestError("expired", "the request is older than its ttl_s: it was not begun")
        if not message.duplicate:  # a message that the broker repeats was counted when it came first
            self._limiter.take(asked.client)
            held = self._in_flight.admitted(asked.client)
            if held >= self._client_limit:
                text = f"{held} requests of yours are here already"
                raise RequestError("busy", text, retry_after_ms=2000)
        return left_s


def shown(client: str) -> str:
    """Make a client's name safe for the log: an illegal one is cut and escaped."""
    return client if is_client_id(client) else ascii(client[:_SHOWN_CHARACTERS])


def _decide_cancel(client: str, message: Message) -> Decision:
    try:
        return Cancel(client, parse_cancel(message.payload))
    except RequestError as error:
        return Ignore(error.code)
