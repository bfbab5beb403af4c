"""Sends publications as fast as the broker takes them, and finds out what it does not take."""

from time import monotonic

from edge_llm.event_log import EventLog
from edge_llm.mqtt.link import Accepted, Link
from edge_llm.mqtt.message import Message, Outcome
from edge_llm.mqtt.sending.echo import Echo
from edge_llm.mqtt.sending.outbox import Outbox
from edge_llm.mqtt.sending.publication import Publication
from edge_llm.mqtt.sending.size_limit import SizeLimit

log = EventLog(__name__)

_SAID_AGAIN_S = 3600.0
"""A topic whose messages do not fit is named once within this time."""


class Delivery:
    """Sends the publications of ``outbox``, which any thread may fill; the rest is the network thread's."""

    def __init__(self, echo_topic: str | None) -> None:
        """``echo_topic`` is a topic of one's own, to find out what a broker drops: see ``Echo``."""
        self.outbox = Outbox()
        self.limit = SizeLimit()
        self._echo = Echo(echo_topic) if echo_topic else None
        self._window = 1
        self._subscribed_by: int | None = None
        self._said: dict[str, float] = {}

    def begin(self, link: Link, accepted: Accepted) -> None:
        """Begin at a new connection, with what the broker says of itself."""
        self.limit.announced = accepted.maximum_packet_bytes
        self._window = accepted.receive_maximum
        self._subscribed_by = None
        if self._echo and link.version != "5":
            self._subscribed_by = link.subscribe([(self._echo.topic, 0)])

    def subscribed(self, packet_id: int, refused: str | None) -> bool:
        """Take in the answer to a subscription; returns whether it is one of its own."""
        own = packet_id == self._subscribed_by
        if own and refused and self._echo:
            log.info("mqtt.no_echo", topic=self._echo.topic, reason=refused)
            self._echo.works = False
        return own

    def send_due(self, link: Link) -> None:
        """Send what may be sent now."""
        if self._echo:
            for publication in self._echo.overdue():
                self._taken(publication, Outcome.TAKEN, link.version)
        while not self._waits_for_echo and (due := self.outbox.take(self._window)):
            self._send(link, due)

    def acknowledged(self, link: Link, packet_id: int, outcome: Outcome) -> None:
        """Take in that the broker has acknowledged a packet, which on 3.1.1 it may have dropped."""
        publication = self.outbox.acknowledged(packet_id)
        if publication is None:
            return
        if self._echo and link.version != "5" and self._echo.doubts(publication):
            self._send_echo(link, self._echo, publication)
        else:
            self._taken(publication, outcome, link.version)

    def heard(self, link: Link, message: Message) -> bool:
        """Take in a message; returns whether it is one that this side has sent to itself."""
        if self._echo is None or message.topic != self._echo.topic:
            return False
        message.acknowledge()
        publication, outcome = self._echo.heard(message.payload) or (None, None)
        if publication is None:
            return True
        if outcome is None:
            self._send_echo(link, self._echo, publication, again=True)
        elif outcome is Outcome.REFUSED:
            self.limit.dropped(publication.packet_bytes(link.version))
            self._refuse(publication, link.version)
        else:
            self._taken(publication, outcome, link.version)
        return True

    @property
    def _waits_for_echo(self) -> bool:
        """Whether something has to be cleared up before the next is sent, which would be blamed for it."""
        echo = self._echo
        return echo is not None and echo.holds and (self.outbox.has_broken or echo.holds_broken)

    @property
    def suspicious(self) -> bool:
        """Whether something was sent that the connection may have broken at."""
        return self.outbox.suspicious or (self._echo is not None and self._echo.holds)

    def lost(self, version: str) -> None:
        """Take in that the connection is over."""
        if not self.suspicious:
            self.limit.forget()
        held = self._echo.begin() if self._echo else []
        for publication in self.outbox.broken(held, self.limit.proven, version):
            self.limit.gave_up(publication.packet_bytes(version))
            self._refuse(publication, version)

    def _send(self, link: Link, publication: Publication) -> None:
        size = publication.packet_bytes(link.version)
        if self.limit.forbids(size):
            self._refuse(publication, link.version)
            return
        # Else nobody would learn that it is what the connection breaks at.
        unknown = publication.kept and self.limit.announced is None and size > self.limit.proven
        qos = 1 if unknown else publication.qos
        try:
            packet_id = link.publish(publication, qos)
        except ValueError as error:  # a topic that is none
            log.error("mqtt.not_sent", topic=ascii(publication.topic[:99]), error=type(error).__name__)  # noqa: TRY400 - its message may quote what is sent
            _finish(publication, Outcome.REFUSED)
            return
        if qos:
            self.outbox.sent(packet_id, publication)

    def _taken(self, publication: Publication, outcome: Outcome, version: str) -> None:
        self.limit.took(publication.packet_bytes(version))
        _finish(publication, outcome)

    def _send_echo(self, link: Link, echo: Echo, publication: Publication, *, again: bool = False) -> None:
        for payload in echo.hold(publication, again=again):
            link.publish(Publication(echo.topic, payload), 1)

    def _refuse(self, publication: Publication, version: str) -> None:
        size = publication.packet_bytes(version)
        if publication.on_sent is None and self._said.get(publication.topic, 0.0) <= monotonic():
            self._said[publication.topic] = monotonic() + _SAID_AGAIN_S
            log.warning(
                "mqtt.left_out",
                topic=publication.topic,
                bytes=size,
                limit=self.limit.bytes,
                hint="raise the broker's limit (mosquitto: max_packet_size, message_size_limit)",
            )
        _finish(publication, Outcome.REFUSED)


def _finish(publication: Publication, outcome: Outcome) -> None:
    if publication.on_sent:
        publication.on_sent(outcome)
