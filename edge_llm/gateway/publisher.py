"""Sends the frames of the replies in flight, and writes down what became of each; a thread of its own."""

from threading import Thread

from edge_llm.contract.frames import Done, Error, Frame, Sessions, Terminal
from edge_llm.contract.topics import Topics
from edge_llm.event_log import EventLog
from edge_llm.gateway.in_flight import InFlight, Key
from edge_llm.gateway.reply import COALESCE_S, Reply
from edge_llm.gateway.request_log import ALIVE_EVERY_S, RequestLog
from edge_llm.gateway.responder import Responder
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import OnSent

log = EventLog(__name__)

_DELTA_EXPIRY_S = 60
"""A delta that a client could not fetch for this long is worth nothing: the terminal frame has it all."""


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
            self._changed.notify()

    def _run(self) -> None:
        while True:
            if self._connection.ready:
                self._request_log.alive()
                self._join_or_leave_pool()
            with self._changed:
                flowing = self._connection.ready and not self._connection.congested
                submitted = self._in_flight.drain_submitted()
                frames = self._in_flight.pending_frames(flowing=flowing)
                if not frames and not submitted:
                    if self._stopping and not len(self._in_flight):
                        return
                    self._changed.wait(COALESCE_S if len(self._in_flight) else ALIVE_EVERY_S)
                    continue
            for reply in submitted:
                if reply.record:
                    self._request_log.accept(reply.asked.client, reply.record.id)
                self._responder.prepare(reply)
            for key, reply, frame in frames:
                if isinstance(frame, Done | Error | Sessions):
                    self._end(key, reply, frame)
                else:
                    self._send(reply, frame, reply.has_subscribers)

    def _end(self, key: Key, reply: Reply, terminal: Terminal) -> None:
        """Send a terminal frame; when the broker has it, the request is acknowledged."""
        client = reply.asked.client
        terminal = self._responder.complete(reply, terminal)
        if isinstance(terminal, Error) and terminal.code == "unavailable" and reply.qos1:
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
        if reply.asked.reply_to is None:
            self._send(reply, terminal, lambda _subscribed: None)
        self._send(reply, terminal, lambda _subscribed: _acknowledge(reply), final=True)

    def _send(self, reply: Reply, frame: Frame, on_sent: OnSent, *, final: bool = False) -> None:
        reply_to, client = reply.asked.reply_to, reply.asked.client
        ours = self._topics.reply(client) if final else self._topics.stream(client)
        self._connection.publish(
            reply_to.topic if reply_to else ours,
            reply_to.payload(frame) if reply_to else frame.encode(),
            on_sent=on_sent,
            expiry_s=None if final else _DELTA_EXPIRY_S,
            correlation=reply_to.correlation if reply_to else reply.asked.message.correlation,
        )

    def _join_or_leave_pool(self) -> None:
        """Leave the pool's requests to the others while the node is full."""
        shared = self._topics.shared
        if shared is None:
            return
        with self._changed:
            wanted = self._in_flight.admitted() < self._capacity
            changed, self._in_pool = wanted != self._in_pool, wanted
        if changed:
            (self._connection.subscribe if wanted else self._connection.unsubscribe)(shared)


def _acknowledge(reply: Reply) -> None:
    for message in reply.messages:
        message.acknowledge()
