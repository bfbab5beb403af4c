"""An admission with what it looks at, without a broker, a model or a thread."""

import json
from typing import Any

from edge_llm.config import MqttSettings, RouteSettings
from edge_llm.contract.topics import Topics
from edge_llm.gateway.decision import (
    Admission,
    Admit,
    Decision,
    Refuse,
)
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.reply import Reply
from edge_llm.gateway.request_log import RequestLog
from edge_llm.gateway.routes import Routes
from edge_llm.mqtt.message import Message

TOPICS = Topics("edge_llm", "n", "p")
ROUTE = RouteSettings(
    topic="home/{room}/ask", answer="home/{room}/answer", system="You are in the {room}.", session="{room}"
)


class Desk:
    """An admission with what it looks at."""

    def __init__(self, capacity: int = 8, routes: tuple[RouteSettings, ...] = (), **settings: Any) -> None:
        self.log = RequestLog(None)
        self.in_flight = InFlight()
        self.admission = Admission(
            MqttSettings(**settings), TOPICS, Routes(routes), self.log, self.in_flight, capacity
        )

    def ask(
        self, body: object, client: str = "c", *, kind: str = "request", backlog_s: float = 0.0, **fields: Any
    ) -> Decision:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        topic = f"edge_llm/n/{kind}/{client}"
        return self.admission.decide(Message(topic, payload, **{"qos1": True, **fields}), backlog_s)

    def admit(self, body: object, client: str = "c", **fields: Any) -> Reply:
        """Decide to admit, and do as the gateway does then."""
        decision = self.ask(body, client, **fields)
        assert isinstance(decision, Admit)
        reply = Reply("n", decision.asked, self.in_flight.changed, decision.record, decision.expires_at)
        self.log.keep(client, decision.record)
        self.in_flight.add(reply, decision.record.id)
        return reply


def code(decision: Decision) -> str:
    assert isinstance(decision, Refuse)
    return decision.error.code
