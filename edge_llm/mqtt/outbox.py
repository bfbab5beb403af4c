"""Publishes that the broker has not acknowledged yet. For any thread."""

from threading import Lock

from edge_llm.mqtt.message import OnSent


class Outbox:
    """Publishes by packet id; an acknowledgement may arrive before ``sent`` is called."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = Lock()
        self._unsent: dict[int, OnSent] = {}
        self._early: dict[int, bool] = {}
        self._qos0: set[int] = set()

    def __len__(self) -> int:
        """Publishes at QoS 1 that the broker has not acknowledged."""
        return len(self._unsent)

    def sent(self, packet_id: int, on_sent: OnSent | None) -> None:
        """Take in a publish; None: at QoS 0, of which only this side says that it is sent."""
        with self._lock:
            has_subscribers = self._early.pop(packet_id, None)
            if has_subscribers is None and on_sent:
                self._unsent[packet_id] = on_sent
            elif has_subscribers is None:
                self._qos0.add(packet_id)
        if has_subscribers is not None and on_sent:
            on_sent(has_subscribers)

    def acknowledged(self, packet_id: int, *, has_subscribers: bool) -> None:
        """Run what waits for this; ``has_subscribers`` is whether anybody was there to get it."""
        with self._lock:
            if packet_id in self._qos0:
                self._qos0.remove(packet_id)
                return
            on_sent = self._unsent.pop(packet_id, None)
            if on_sent is None:
                self._early[packet_id] = has_subscribers
        if on_sent:
            on_sent(has_subscribers)

    def forget_qos0(self) -> None:
        """At a new connection: paho drops what it had not sent at QoS 0."""
        with self._lock:
            self._qos0.clear()
