"""Says in words why there is no connection."""

import ssl
from collections import deque
from time import monotonic

from edge_llm.config import MqttSettings
from edge_llm.event_log import EventLog
from edge_llm.mqtt.port_probe import looks_like

log = EventLog(__name__)

_CONTESTED = 3
_CONTESTED_S = 60.0
"""_CONTESTED connections ended from outside within this time mean that another client uses the same id."""


class Diagnosis:
    """Keeps and logs the reason why there is no connection; the network thread writes, any reads."""

    def __init__(self, settings: MqttSettings, client_id: str) -> None:
        """Begin without a failure."""
        self.text: str | None = None
        """Reason why there is no connection now; None while there is one."""
        self._contested = Contested(client_id)
        self._settings = settings
        self._probed: tuple[str, str | None] | None = None

    @property
    def failure(self) -> str | None:
        """Reason why there is no connection, or none that lasts; None if none is known."""
        return self._contested.certain or self.text or self._contested.text

    @property
    def contested(self) -> str | None:
        """Warning for people that another client seems to use the same id; else None."""
        return self._contested.text

    def clear(self) -> None:
        """Take in that there is a connection."""
        self.text = self._probed = None

    def report(self, reason: str) -> None:
        """Log a reason if it is another than before: one line a change, not one a try."""
        if reason != self.text:
            self.text = reason
            log.warning(
                "mqtt.disconnected", host=self._settings.host, port=self._settings.port, reason=reason
            )

    def report_error(self, error: OSError) -> None:
        """Log why an attempt to connect failed."""
        self._contested.clear()
        reason = self._reason(error)
        # In the handshake: what refuses a connection, or is not there, says nothing of what it speaks.
        handshake = isinstance(error, ssl.SSLError | ConnectionResetError | TimeoutError)
        if self._settings.tls and handshake and not isinstance(error, ssl.SSLCertVerificationError):
            self.report_strange(reason)
        else:
            self.report(reason)

    def report_strange(self, reason: str) -> None:
        """Log that somebody listens who does not answer as a broker does, and what that looks like."""
        if self._probed is None or self._probed[0] != reason:
            self._probed = reason, looks_like(self._settings)
        self.report(self._probed[1] or reason)

    def report_end(self, reason: str, *, soon: bool, taken_over: bool) -> None:
        """Log that the broker ended a connection; ``taken_over``: another client connected under its id."""
        if (taken_over or soon) and self._contested.ended(taken_over=taken_over):
            log.warning("mqtt.contested", reason=self._contested.text)
        if self.text is None:  # else it is known better why
            self.report(reason)

    def _reason(self, error: OSError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {error.verify_message}"
        if error.strerror:
            return str(error.strerror).lower()
        return str(error).lower() or "unreachable"


class Contested:
    """Detects that another client uses the same id: the broker keeps the younger of two connections."""

    def __init__(self, client_id: str) -> None:
        """Judge the connections of ``client_id``."""
        self._client_id = client_id
        self._ended: deque[float] = deque(maxlen=_CONTESTED)
        self._certain = False

    def clear(self) -> None:
        """Take in that nobody answers: another client has nothing to do with that."""
        self._ended.clear()

    def ended(self, *, taken_over: bool) -> bool:
        """Take in that the broker ended a connection; returns whether it did so for the third time.

        ``taken_over``: it said why, as MQTT 5 can.
        """
        before = self.text
        self._ended.append(monotonic())
        self._certain = taken_over
        return before is None and self.text is not None

    @property
    def certain(self) -> str | None:
        """``text``, if the broker has said so itself."""
        return self.text if self._certain else None

    @property
    def text(self) -> str | None:
        """Warning for people; None unless it happened _CONTESTED times within _CONTESTED_S."""
        if len(self._ended) < _CONTESTED or monotonic() - self._ended[0] > _CONTESTED_S:
            return None
        uses = "uses" if self._certain else "seems to use"
        return f"another client {uses} the id {self._client_id}: give each node its own node.id"
