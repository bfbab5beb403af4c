"""The largest packet that the broker takes: as it announces, or as it was found out."""

from time import monotonic

_FOUND_S = 3600.0
"""Seconds for which a limit is believed that nobody announced."""
_STRIKES = 2
"""Number of messages that must be given up before a limit is believed: a bad network looks like one."""
_MARGIN = 0.05
"""Messages of one kind vary in size: one that is smaller by this is not tried either."""


class SizeLimit:
    """Sizes of packets in bytes. Written on the network thread, read on any."""

    def __init__(self) -> None:
        """Begin without a limit."""
        self.announced: int | None = None
        """Maximum Packet Size of MQTT 5's CONNACK."""
        self.proven = 0
        """The largest packet that was acknowledged."""
        self._given_up: list[int] = []
        """The smallest packets that the connection broke at, in order."""
        self._found: int | None = None
        self._until = 0.0

    @property
    def bytes(self) -> int | None:
        """The limit; None where none is known."""
        found = self._found if monotonic() < self._until else None
        known = [limit for limit in (self.announced, found) if limit is not None]
        return min(known, default=None)

    def forbids(self, packet_bytes: int) -> bool:
        """Whether a packet of this size must not be sent."""
        limit = self.bytes
        return limit is not None and packet_bytes > limit

    def took(self, packet_bytes: int) -> None:
        """Take in that the broker acknowledged a packet."""
        self.proven = max(self.proven, packet_bytes)
        self._given_up = [size for size in self._given_up if size > packet_bytes]

    def gave_up(self, packet_bytes: int) -> None:
        """Take in that the connection broke at a packet so often that it is not sent again."""
        if packet_bytes <= self.proven:
            self.proven = 0  # the broker has another configuration now
        self._given_up = sorted([*self._given_up, packet_bytes])[:_STRIKES]
        if len(self._given_up) == _STRIKES:
            self._find(int(self._given_up[-1] * (1 - _MARGIN)))

    def dropped(self, packet_bytes: int) -> None:
        """Take in that the broker dropped a packet, and nothing else can be the reason."""
        self._find(packet_bytes - 1)

    def _find(self, limit: int) -> None:
        if limit >= self.proven:
            self._found = limit
            self._until = monotonic() + _FOUND_S

    def forget(self) -> None:
        """Forget what was found out: the broker may have another configuration now."""
        self._found, self._given_up = None, []
