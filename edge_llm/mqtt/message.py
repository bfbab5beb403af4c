"""What comes from the broker, and who wants to hear of it or of what was sent."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """What came from the broker; ``Connection.acknowledge`` wants it back as it is.

    ``qos1`` is one at QoS 1, which the broker keeps until then. The fields from ``response_topic`` on
    are MQTT 5's; ``expiry_s`` is what the broker left of it.
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


OnMessage = Callable[[Message], None]
OnSent = Callable[[bool], None]
"""Whether anybody was there to get it, as far as the broker says."""
