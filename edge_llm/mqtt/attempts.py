"""Decides which MQTT version is tried next, and after how long."""

from edge_llm.config import MqttSettings

_MIN_PAUSE_S, _MAX_PAUSE_S = 1.0, 30.0
_CONNACK_S = 3.0
"""Seconds of silence after which a broker is taken not to understand the version; more, each time."""


class Attempts:
    """The attempts to connect, one after the other; the network thread's own.

    With ``protocol: auto`` each round begins with version 5. A broker that closes the connection without a
    word, or is silent, may know 3.1.1 alone: that comes next, and 5 again in the next round, for it may have
    been a hiccup. Only a broker that refuses the version is believed for good.
    """

    def __init__(self, settings: MqttSettings) -> None:
        """Begin with the newest version of ``settings.protocol``."""
        self._versions = ["5", "3.1.1"] if settings.protocol == "auto" else [settings.protocol]
        self._next = 0
        self._pause_s = _MIN_PAUSE_S
        self._patience = 1

    @property
    def version(self) -> str:
        """The version of the attempt that is made now."""
        return self._versions[self._next]

    @property
    def last_of_round(self) -> bool:
        """Whether no other version is left to try."""
        return self._next == len(self._versions) - 1

    @property
    def connack_s(self) -> float:
        """Seconds to wait for the broker's answer: it may be slow rather than old."""
        return min(_MAX_PAUSE_S, _CONNACK_S * self._patience)

    def accepted(self) -> None:
        """Take in that the broker accepted the connection."""
        self._pause_s = _MIN_PAUSE_S
        self._patience = 1

    def version_refused(self) -> float:
        """Take in that the broker knows the version and refuses it; returns the pause in seconds."""
        if self.last_of_round:
            return self._failed()
        del self._versions[self._next]
        return 0.0

    def unanswered(self, *, silent: bool = False) -> float:
        """Take in that the broker had no answer, or none that can be read; returns the pause in seconds."""
        if self.last_of_round:
            self._patience = min(2 * self._patience, 16) if silent else 1
            return self._failed()
        self._next += 1
        return 0.0

    def ended(self) -> float:
        """Take in any other end of a connection or an attempt; returns the pause in seconds."""
        return self._failed()

    def _failed(self) -> float:
        self._next = 0
        pause_s, self._pause_s = self._pause_s, min(_MAX_PAUSE_S, 2 * self._pause_s)
        return pause_s
