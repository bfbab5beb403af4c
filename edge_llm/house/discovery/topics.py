"""Which topics of an announcement may be published to, and which may be subscribed to."""

from dataclasses import dataclass
from typing import Any

from edge_llm.contract.topics import Topics
from edge_llm.house.discovery.unreadable import BadTopic

_MAX_TOPIC_BYTES, _MAX_LEVELS = 1000, 100
"""Far more than any device has. A broker may end the connection at a topic that it finds too long or deep
(mosquitto: more than 200 levels), and at a subscription to many long ones together."""
_LEAST_PLAIN_LEVELS = 2
"""Levels without a wildcard of a topic with wildcards: fewer would take in what other devices say."""


def _level_after_node(topic: str) -> str:
    return topic.split("/")[2]


_NODE = Topics("base", "node", "pool")
_OF_NODES = frozenset(
    _level_after_node(topic)
    for topic in (
        *_NODE.inbound,
        *(
            _NODE.stream("c"),
            _NODE.reply("c"),
            _NODE.state,
            _NODE.info,
            _NODE.telemetry,
            _NODE.echo,
            _NODE.acted,
        ),
    )
)
"""What follows a node's name in its topics."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Topics that no device may name: those of nodes, and for commands also those of announcements."""

    own_base: str
    prefix: str
    routes: tuple[str, ...] = ()
    """Filters of the topics on which routes of the node ask and answer, with ``+`` alone."""

    def refuse_own(self, value: Any, option: str) -> None:
        """Refuse a topic of nodes, whatever it is meant for.

        Raises:
            BadTopic: it is one.
        """
        if not isinstance(value, str):
            return
        if _is_inside(value, self.own_base):
            raise BadTopic(f"{option}: it is inside the topics of nodes")
        if any(_overlap(each.split("/"), value.split("/")) for each in self.routes):
            raise BadTopic(f"{option}: a route of the node has this topic")

    def for_commands(self, value: Any, option: str) -> str:
        """A topic that may be published to.

        Raises:
            BadTopic: it may not.
        """
        topic = _topic(value, option)
        if "+" in topic or "#" in topic:
            raise BadTopic(f"{option}: it has a wildcard")
        self.refuse_own(topic, option)
        if _is_inside(topic, self.prefix):
            raise BadTopic(f"{option}: it is inside the topics of announcements")
        return topic

    def for_states(self, value: Any, option: str) -> str:
        """A topic or a filter that may be subscribed to; ``+`` may be in it, where enough else is.

        Raises:
            BadTopic: it may not.
        """
        topic = _topic(value, option)
        self.refuse_own(topic, option)
        levels = topic.split("/")
        if "#" in topic or any("+" in level and level != "+" for level in levels):
            raise BadTopic(f"{option}: it has a wildcard that takes in too much")
        if "+" in levels and (
            sum(level not in ("+", "") for level in levels) < _LEAST_PLAIN_LEVELS or self._may_be_node(levels)
        ):
            raise BadTopic(f"{option}: it has a wildcard that takes in too much")
        return topic

    def _may_be_node(self, levels: list[str]) -> bool:
        base = self.own_base.split("/")
        if any(level not in ("+", own) for level, own in zip(levels, base, strict=False)):
            return False
        after = levels[len(base) + 1 :]
        return not after or any(level == "+" or level in _OF_NODES for level in after)


def _topic(value: Any, option: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadTopic(f"{option}: it is no topic")
    if value.startswith("$"):
        raise BadTopic(f"{option}: it begins with $")
    if any(ord(character) < 32 or 0x7F <= ord(character) <= 0x9F for character in value):
        raise BadTopic(f"{option}: it has control characters")
    if any(_is_no_character(ord(character)) for character in value):
        raise BadTopic(f"{option}: it has what is no character, which brokers refuse")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadTopic(f"{option}: it is no UTF-8 text") from None
    if size > _MAX_TOPIC_BYTES:
        raise BadTopic(f"{option}: it has more than {_MAX_TOPIC_BYTES} bytes")
    if value.count("/") >= _MAX_LEVELS:
        raise BadTopic(f"{option}: it has more than {_MAX_LEVELS} levels")
    return value


def _is_no_character(code: int) -> bool:
    """Whether a code point is one that Unicode leaves without a character for good."""
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def _overlap(one: list[str], other: list[str]) -> bool:
    """Whether two filters, by their levels, have a topic in common."""
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(a == b or "+" in (a, b) for a, b in pairs)


def _is_inside(topic: str, base: str) -> bool:
    return topic == base or topic.startswith(f"{base}/")
