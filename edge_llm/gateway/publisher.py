"""Sends the frames of the replies in flight, and writes down what became of each; a thread of its own."""

from threading import Thread

from edge_llm.contract.frames import Done, Error, Frame, Sessions, Terminal
from edge_llm.contract.topics import Topics
from edge_llm.event_log import EventLog, stack_of
from edge_llm.gateway.in_flight import InFlight, Key
from edge_llm.gateway.reply import COALESCE_S, Reply
from edge_llm.gateway.request_log import ALIVE_EVERY_S, RequestLog
from edge_llm.gateway.responder import Responder
from edge_llm.gateway.shorten import shortened
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import OnSent, Outcome

log = EventLog(__name__)

_DELTA_EXPIRY_S = 60
"""Message Expiry of a delta in seconds; after that the terminal frame, which has all, is enough."""


class Publisher:
    """The publisher thread: the only one that touches files for requests, and that publishes frames."""

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        in_flight: InFlight,
        request_log: RequestLog,
        responder: Responder,
        capacity: int,
    ) -> None:
        """Publish on ``topics``; a node that holds ``capacity`` requests leaves its pool."""
        self._connection = connection
        self._topics = topics
        self._in_flight = in_flight
        self._changed = in_flight.changed
        self._request_log = request_log
        self._responder = responder
        self._capacity = capacity
        self._in_pool = False
        self._refused: list[tuple[Reply, Terminal]] = []
        """Terminal frames that the broker did not take."""
        self._stopping = False
        self._thread = Thread(target=self._run, name="publisher")

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, once every reply has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def on_ready(self) -> None:
        """Join the pool again; called after each connection."""
        with self._changed:
            self._in_pool = False
            self._join_or_leave_pool()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            if self._connection.ready:
                self._request_log.alive()
                self._join_or_leave_pool()
            with self._changed:
                flowing = self._connection.ready and not self._connection.congested
                submitted = self._in_flight.drain_submitted()
                frames = self._in_flight.pending_frames(flowing=flowing, room=self._room)
                refused, self._refused = self._refused, []
                if not frames and not submitted and not refused:
                    if self._stopping and not len(self._in_flight):
                        return
                    self._changed.wait(COALESCE_S if len(self._in_flight) else ALIVE_EVERY_S)
                    continue
            for reply in submitted:
                self._begin(reply)
            for reply, terminal in refused:
                self._end_shorter(reply, terminal)
            for key, reply, frame in frames:
                if isinstance(frame, Done | Error | Sessions):
                    self._end(key, reply, frame)
                else:
                    self._stream(reply, frame)

    def _begin(self, reply: Reply) -> None:
        try:
            if reply.record:
                self._request_log.accept(reply.asked.client, reply.record.id)
            self._responder.prepare(reply)
        except Exception as error:  # noqa: BLE001 - what is wrong with one reply must not end the others
            self._give_up(reply, error)

    def _stream(self, reply: Reply, frame: Frame) -> None:
        try:
            self._send(reply, frame, lambda outcome: self._on_streamed(reply, outcome))
        except Exception as error:  # noqa: BLE001 - one reply must not end the others
            self._give_up(reply, error)

    def _on_streamed(self, reply: Reply, outcome: Outcome) -> None:
        reply.has_subscribers(outcome is not Outcome.NO_SUBSCRIBERS)

    def _give_up(self, reply: Reply, error: Exception) -> None:
        _log_failure(reply, error)
        reply.end(reply.broken())
        self._responder.cancel(reply)

    def _end(self, key: Key, reply: Reply, terminal: Terminal) -> None:
        """Send a terminal frame; when the broker has it, the request is acknowledged."""
        terminal = self._complete(reply, terminal)
        client = reply.asked.client
        if isinstance(terminal, Error) and terminal.code == "unavailable" and reply.qos1 and not reply.told:
            # Not acknowledged: the broker hands it out again, and the restarted node answers.
            log.info("request.left_to_restart", client=client, id=terminal.id)
            self._in_flight.remove(key)
            return
        if reply.record:
            if isinstance(terminal, Error) and terminal.retryable:
                self._request_log.forget(client, terminal.id)
            else:
                # Before anybody sees it: a node that dies now says the same again after its restart.
                self._request_log.finish(client, terminal.id, terminal.encode())
            log.info("request.ended", client=client, id=terminal.id, type=terminal.type)
        self._in_flight.remove(key)  # not sooner: who asks again finds it here, or in the request log
        self._send_terminal(reply, terminal, lambda outcome: self._on_ended(reply, terminal, outcome))

    def _complete(self, reply: Reply, terminal: Terminal) -> Terminal:
        """Complete a terminal frame; another one in its place where it does not fit, or cannot be sent."""
        try:
            terminal = self._responder.complete(reply, terminal)
            terminal.encode()
            return self._fitting(reply, terminal)
        except Exception as error:  # noqa: BLE001 - what is wrong with one reply must not end the others
            _log_failure(reply, error)
            return reply.broken()

    def _fitting(self, reply: Reply, terminal: Terminal) -> Terminal:
        room = self._room(reply)
        size = len(_payload(reply, terminal))
        if room is None or size <= room:
            return terminal
        log.info("request.too_large", client=reply.asked.client, id=terminal.id, bytes=size, room=room)
        return shortened(
            terminal,
            lambda frame: len(_payload(reply, frame)) <= room,
            size,
            self._connection.packet_limit,
        )

    def _on_ended(self, reply: Reply, terminal: Terminal, outcome: Outcome) -> None:
        """Handle the result of sending a terminal frame; on the network thread."""
        if outcome is not Outcome.REFUSED:
            _acknowledge(reply)
            return
        with self._changed:
            self._refused.append((reply, terminal))
            self._changed.notify()

    def _end_shorter(self, reply: Reply, terminal: Terminal) -> None:
        """Send an error in place of a terminal frame that the broker did not take; that was the last try."""
        client, size = reply.asked.client, len(_payload(reply, terminal))
        log.info("request.too_large", client=client, id=terminal.id, bytes=size)
        short = shortened(terminal, lambda _frame: False, size, self._connection.packet_limit)
        if reply.record and not short.retryable:
            self._request_log.finish(client, terminal.id, short.encode())
        self._send_terminal(reply, short, lambda _outcome: _acknowledge(reply))

    def _send_terminal(self, reply: Reply, terminal: Terminal, on_sent: OnSent) -> None:
        if reply.asked.reply_to is None:
            self._send(reply, terminal, lambda _outcome: None)
        self._send(reply, terminal, on_sent, final=True)

    def _send(self, reply: Reply, frame: Frame, on_sent: OnSent, *, final: bool = False) -> None:
        reply_to = reply.asked.reply_to
        self._connection.publish(
            self._topic(reply, final=final),
            _payload(reply, frame),
            on_sent=on_sent,
            expiry_s=None if final else _DELTA_EXPIRY_S,
            correlation=reply_to.correlation if reply_to else reply.asked.message.correlation,
        )

    def _topic(self, reply: Reply, *, final: bool) -> str:
        reply_to, client = reply.asked.reply_to, reply.asked.client
        if reply_to:
            return reply_to.topic
        return self._topics.reply(client) if final else self._topics.stream(client)

    def _room(self, reply: Reply) -> int | None:
        """The largest payload of this reply's frames; the topic of all frames is the longer one."""
        reply_to = reply.asked.reply_to
        correlation = reply_to.correlation if reply_to else None
        return self._connection.room(self._topic(reply, final=False), _DELTA_EXPIRY_S, correlation)

    def _join_or_leave_pool(self) -> None:
        """Leave the pool's requests to the others while the node is full."""
        shared = self._topics.shared
        if shared is None:
            return
        with self._changed:
            wanted = self._in_flight.admitted() < self._capacity
            if wanted != self._in_pool:
                (self._connection.subscribe if wanted else self._connection.unsubscribe)(shared)
            self._in_pool = wanted


def _acknowledge(reply: Reply) -> None:
    for message in reply.messages:
        message.acknowledge()


def _payload(reply: Reply, frame: Frame) -> bytes:
    reply_to = reply.asked.reply_to
    return reply_to.payload(frame) if reply_to else frame.encode()


def _log_failure(reply: Reply, error: Exception) -> None:
    asked = reply.asked
    log.error(
        "reply.failed",
        client=asked.client,
        id=asked.request.id,
        error=type(error).__name__,
        stack=stack_of(error),
    )
