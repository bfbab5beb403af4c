"""Finds out what a broker drops in silence.

On MQTT 3.1.1 a broker has no word for a message that is too large: mosquitto's ``message_size_limit``
acknowledges it and drops it. So the first message of each size is followed by one of the same size to a topic
that this side hears itself, and by a small one. When the small one comes alone, the other was dropped.
"""

from dataclasses import dataclass
from itertools import count
from time import monotonic

from edge_llm.mqtt.message import Outcome
from edge_llm.mqtt.sending.publication import Publication

_TIMEOUT_S = 5.0
_SURE_BYTES = 64
"""Payloads of up to this many bytes are below every broker's limit."""


@dataclass(slots=True)
class _Held:
    publication: Publication
    due: float
    again: bool
    """Whether this is the second try: a broker may lose a message at QoS 0 by accident."""


class Echo:
    """Publications that were acknowledged and are in doubt; the network thread's own."""

    def __init__(self, topic: str) -> None:
        """Send to ``topic``, which is subscribed to at QoS 0: such messages come at once, and in order."""
        self.topic = topic
        self._proven = _SURE_BYTES
        self.works = True
        """Whether this side may publish to the topic and hears what comes there."""
        self._held: dict[int, _Held] = {}
        self._numbers = count()

    @property
    def holds(self) -> bool:
        """Whether publications are held whose outcome is not known yet."""
        return bool(self._held)

    @property
    def holds_broken(self) -> bool:
        """Whether a connection has broken during a publication that is held."""
        return any(held.publication.breaks for held in self._held.values())

    def doubts(self, publication: Publication) -> bool:
        """Whether the broker may drop a publication of this size: nothing as large has come back yet."""
        return self.works and len(publication.payload) > self._proven

    def hold(self, publication: Publication, *, again: bool = False) -> tuple[bytes, bytes]:
        """Keep a publication until it is known; returns the payloads to send, in this order."""
        number = next(self._numbers)
        self._held[number] = _Held(publication, monotonic() + _TIMEOUT_S, again)
        size = len(publication.payload)
        return (b"%d %d" % (number, size)).ljust(size), b"%d 0" % number

    def heard(self, payload: bytes) -> tuple[Publication, Outcome | None] | None:
        """Take in what came back; returns a publication with its outcome, None in that: to be tried again."""
        try:
            number, size = map(int, payload.split())
        except ValueError:
            return None
        if size:
            self._proven = max(self._proven, len(payload))
            return None
        held = self._held.pop(number, None)
        if held is None:
            return None
        if len(held.publication.payload) <= self._proven:
            return held.publication, Outcome.TAKEN
        return held.publication, Outcome.REFUSED if held.again else None

    def overdue(self) -> list[Publication]:
        """Take out what nothing came back for: the topic is forbidden, and no doubt can be cleared."""
        now = monotonic()
        numbers = [number for number, held in self._held.items() if held.due <= now]
        self.works = self.works and not numbers
        return [self._held.pop(number).publication for number in numbers]

    def begin(self) -> list[Publication]:
        """Begin anew at a new connection; returns what was still held."""
        held = [each.publication for each in self._held.values()]
        self._held.clear()
        self._proven, self.works = _SURE_BYTES, True
        return held
