"""The topic of an answer that goes elsewhere than to the contract's: a route or an MQTT 5 client says so."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from edge_llm.contract.frames import Done, Frame
from edge_llm.errors import RequestError
from edge_llm.gateway.routes import RoutedTopic
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.properties import topic_matches


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """A topic to answer on; ``plain`` is the reply's text without a frame."""

    topic: str
    every_frame: bool = False
    correlation: bytes | None = None
    plain: bool = False

    @classmethod
    def of(cls, message: Message, routed: RoutedTopic | None, allowed: Iterable[str]) -> Self | None:
        """Find where the answer to ``message`` goes; a client may name topics that ``allowed`` filters match.

        Raises:
            RequestError: a node publishes only where its owner lets it.
        """
        if routed:
            plain = routed.route.format == "text"
            return cls(routed.answer, correlation=message.correlation, plain=plain)
        topic = message.response_topic
        if topic is None:
            return None
        if set(topic) & set("+#\x00") or not any(topic_matches(each, topic) for each in allowed):
            raise RequestError("bad_request", "this Response Topic is not among mqtt.response_topics")
        return cls(topic, ("stream", "1") in message.user, message.correlation)

    def payload(self, frame: Frame) -> bytes:
        """Encode ``frame``, or its words alone: of the reply, or of why there is none."""
        if not self.plain:
            return frame.encode()
        return (frame.text if isinstance(frame, Done) else getattr(frame, "message", "")).encode()
