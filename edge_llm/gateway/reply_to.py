"""Where an answer goes, if not to the contract's topics: a route or an MQTT 5 client says so."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from edge_llm.contract.frames import Done, Frame
from edge_llm.errors import RequestError
from edge_llm.gateway.routes import RoutedTopic
from edge_llm.mqtt.connection import topic_matches
from edge_llm.mqtt.message import Message


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """A topic to answer on; ``plain`` is the reply's text without a frame."""

    topic: str
    every_frame: bool = False
    correlation: bytes | None = None
    plain: bool = False

    @classmethod
    def of(cls, message: Message, routed: RoutedTopic | None, allowed: Iterable[str]) -> Self | None:
        """What ``message`` wants; ``allowed`` are filters of the topics that a client may name.

        Raises:
            RequestError: a node publishes only where its owner lets it.
        """
        if routed:
            return cls(routed.answer, plain=routed.route.format == "text")
        topic = message.response_topic
        if topic is None:
            return None
        if set(topic) & set("+#\x00") or not any(topic_matches(each, topic) for each in allowed):
            raise RequestError("bad_request", "this Response Topic is not among mqtt.response_topics")
        return cls(topic, ("stream", "1") in message.user, message.correlation)

    def payload(self, frame: Frame) -> bytes:
        """``frame``, or its words alone: of the reply, or of why there is none."""
        if not self.plain:
            return frame.encode()
        return (frame.text if isinstance(frame, Done) else getattr(frame, "message", "")).encode()
