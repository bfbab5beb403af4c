"""A message from the broker, what becomes of a message to it, and the callbacks around both."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto


def _keep(_message: "Message") -> None:
    """Acknowledge nothing: the message came at QoS 0, or from no broker at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message from the broker.

    One at QoS 1 (``qos1``) is kept there until ``acknowledge``. The fields from ``response_topic`` to
    ``user`` are MQTT 5's; ``expiry_s`` is the rest that the broker left of it.
    """

    topic: str
    payload: bytes
    retained: bool = False
    duplicate: bool = False
    qos1: bool = False
    packet_id: int = 0
    response_topic: str | None = None
    correlation: bytes | None = None
    expiry_s: int | None = None
    user: tuple[tuple[str, str], ...] = ()
    on_acknowledge: Callable[["Message"], None] = field(default=_keep, repr=False)

    def acknowledge(self) -> None:
        """Tell the broker that the message is dealt with; from any thread, in any order."""
        self.on_acknowledge(self)


class Outcome(Enum):
    """Result of sending a message to the broker."""

    TAKEN = auto()
    """The broker has it."""
    NO_SUBSCRIBERS = auto()
    """The broker has it and says, by MQTT 5, that nobody has subscribed to it."""
    REFUSED = auto()
    """The broker does not take it; it is too large, as far as this side can tell."""


OnMessage = Callable[[Message], None]
OnSent = Callable[[Outcome], None]
"""Called once for each message at QoS 1, on the network thread."""
