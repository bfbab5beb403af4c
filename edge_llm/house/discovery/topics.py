"""Which topics of an announcement may be published to, and which may be subscribed to."""

from dataclasses import dataclass
from typing import Any

from edge_llm.contract.topics import Topics
from edge_llm.house.discovery.unreadable import BadTopic

_MAX_TOPIC_BYTES = 65_535
"""Of MQTT (1.5.4)."""
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

    def refuse_own(self, value: Any, option: str) -> None:
        """Refuse a topic of nodes, whatever it is meant for.

        Raises:
            BadTopic: it is one.
        """
        if isinstance(value, str) and _is_inside(value, self.own_base):
            raise BadTopic(f"{option}: it is inside the topics of nodes")

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
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadTopic(f"{option}: it is no UTF-8 text") from None
    if size > _MAX_TOPIC_BYTES:
        raise BadTopic(f"{option}: it is longer than MQTT allows")
    return value


def _is_inside(topic: str, base: str) -> bool:
    return topic == base or topic.startswith(f"{base}/")
