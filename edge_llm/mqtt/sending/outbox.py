"""Messages that the broker has not acknowledged: what waits, what is on its way, and what is given up.

paho keeps such a queue too, and sends what is in it again after each reconnect for ever: a message that makes
the broker close the connection would then take this side away from everybody. So paho is handed no more than
it sends at once, by a new client at each connection.
"""

from collections import deque
from threading import Lock

from edge_llm.mqtt.sending.publication import Publication

_BREAKS = 2
"""Number of connections that may break during a message of a size that the broker never took before."""
_BREAKS_OF_PROVEN_SIZE = 5
"""Number of connections that may break during any other message: a bad network is the likelier cause."""
_ABOUT = 1.1
"""Largest ratio of two sizes that count as about the same."""


class Outbox:
    """Publications in order. ``put``, ``len`` and ``drop`` are for any thread, the rest for the network's."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = Lock()
        self._waiting: deque[Publication] = deque()
        self._qos0: deque[Publication] = deque()
        self._on_its_way: dict[int, Publication] = {}

    def __len__(self) -> int:
        """Count the publications above QoS 0 that the broker has not acknowledged."""
        with self._lock:
            return sum(each.qos > 0 for each in (*self._waiting, *self._on_its_way.values()))

    def put(self, publication: Publication) -> None:
        """Add a publication at the end."""
        with self._lock:
            (self._waiting if publication.qos else self._qos0).append(publication)

    def take(self, window: int) -> Publication | None:
        """Take the next one that may be sent; at most ``window`` are on their way.

        One during which a connection broke goes alone: if the connection breaks again, it is known why.
        One at QoS 2 is waited for: the broker passes it on in a second step, and what is sent meanwhile would
        overtake it.
        """
        with self._lock:
            if any(each.breaks or each.qos > 1 for each in self._on_its_way.values()):
                return None
            if self._qos0:
                return self._qos0.popleft()
            if not self._waiting:
                return None
            room = 1 if self._waiting[0].breaks else window
            return self._waiting.popleft() if len(self._on_its_way) < room else None

    def sent(self, packet_id: int, publication: Publication) -> None:
        """Take in that a publication is on its way."""
        with self._lock:
            self._on_its_way[packet_id] = publication

    def acknowledged(self, packet_id: int) -> Publication | None:
        """Remove the publication that the broker has acknowledged; None for one at QoS 0."""
        with self._lock:
            return self._on_its_way.pop(packet_id, None)

    def broken(self, in_doubt: list[Publication], proven_bytes: int, version: str) -> list[Publication]:
        """Take in that the connection broke; returns the publications that are not sent again.

        ``in_doubt`` were acknowledged, perhaps for nothing. ``proven_bytes`` is the size of the largest
        packet that the broker has taken. QoS 0 is lost, and so is what is not kept.
        """
        given_up: list[Publication] = []
        again: list[Publication] = []
        with self._lock:
            self._qos0.clear()
            self._waiting = deque(each for each in self._waiting if each.kept)
            broken = [each for each in (*in_doubt, *self._on_its_way.values()) if each.kept]
            self._on_its_way.clear()
        for publication in broken:
            publication.breaks += 1
            proven = publication.packet_bytes(version) <= proven_bytes * _ABOUT
            allowed = _BREAKS_OF_PROVEN_SIZE if proven else _BREAKS
            (given_up if publication.breaks >= allowed else again).append(publication)
        with self._lock:  # before all others: whether the broker has them is not known
            self._waiting.extendleft(reversed(again))
        return given_up

    @property
    def has_broken(self) -> bool:
        """Whether a connection broke before during the publication that is the next."""
        with self._lock:
            return bool(self._waiting) and self._waiting[0].breaks > 0

    @property
    def suspicious(self) -> bool:
        """Whether a connection broke during something that is still to be sent."""
        with self._lock:
            return bool(self._on_its_way) or any(publication.breaks for publication in self._waiting)
