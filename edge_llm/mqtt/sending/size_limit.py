"""The largest packet that the broker takes: as it announces, or as it was found out."""

from time import monotonic

_FOUND_S = 3600.0
"""Seconds for which a limit is believed that nobody announced: a bad network can look like one."""


class SizeLimit:
    """Sizes of packets in bytes. Written on the network thread, read on any."""

    def __init__(self) -> None:
        """Begin without a limit."""
        self.announced: int | None = None
        """Maximum Packet Size of MQTT 5's CONNACK."""
        self._found: int | None = None
        self._until = 0.0
        self.proven = 0
        """The largest packet that was acknowledged."""

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

    def refused(self, packet_bytes: int) -> None:
        """Take in that the broker does not take a packet; what it took before says more."""
        if packet_bytes > self.proven:
            self._found = packet_bytes - 1  # of two, the later is the smaller: a larger one is not sent
            self._until = monotonic() + _FOUND_S

    def forget(self) -> None:
        """Forget what was found out: the broker may have another configuration now."""
        self._found, self.proven = None, 0
