"""Finds out how large a message the broker takes, for `edge-llm check`: by what it says, and by trying."""

from functools import partial
from threading import Condition

from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message, Outcome
from edge_llm.mqtt.subscriptions import Subscription

_SIZES = 16, 1024, 4096, 16384, 65536
"""In bytes; where not even the first comes back, the topic is forbidden."""
_ANSWER_S = 4.0
"""Seconds for a message to come back: the connection may break twice at it."""


class BrokerLimit:
    """Sends messages to a topic of one's own, larger ones each time."""

    def __init__(self, topic: str) -> None:
        """``subscription`` is to be among those of the connection, for ``topic``.

        It is made on demand: a broker may refuse it, and is none the worse for that.
        """
        self.topic = topic
        self.subscription = Subscription(self._on_message, on_demand=True)
        self._changed = Condition()
        self._back: set[int] = set()
        self._refused: set[int] = set()

    def find(self, connection: Connection) -> str | None:
        """Say the limit in words; None if messages of 64 KiB pass, or the topic is forbidden."""
        limit = connection.packet_limit
        if limit is not None:
            return f"packets of at most {limit} bytes" if limit < _SIZES[-1] else None
        connection.subscribe(self.topic)
        for number, size in enumerate(_SIZES):
            connection.publish(
                self.topic,
                b"-" * size,
                on_sent=partial(self._on_sent, size),
            )
            with self._changed:
                self._changed.wait_for(partial(self._is_answered, size), _ANSWER_S)
            if size not in self._back:
                return f"messages of {_SIZES[number - 1]} bytes, but not of {size}" if number else None
        return None

    def _on_message(self, message: Message) -> None:
        with self._changed:
            self._back.add(len(message.payload))
            self._changed.notify()

    def _is_answered(self, size: int) -> bool:
        return size in self._back or size in self._refused

    def _on_sent(self, size: int, outcome: Outcome) -> None:
        if outcome is Outcome.REFUSED:
            with self._changed:
                self._refused.add(size)
                self._changed.notify()
