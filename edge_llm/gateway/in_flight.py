"""The replies in flight, by client and id; any thread may look, and ``changed`` guards what varies."""

from itertools import count
from threading import Condition

from edge_llm.contract.frames import Frame
from edge_llm.contract.requests import EVERYTHING
from edge_llm.event_log import EventLog, stack_of
from edge_llm.gateway.reply import Reply, Room, unlimited

log = EventLog(__name__)

Key = tuple[str, str]


class InFlight:
    """Every reply from its request's arrival until its terminal frame is handed over."""

    def __init__(self) -> None:
        """Begin empty; ``changed`` is notified by the replies when they have something to say."""
        self.changed = Condition()
        self._replies: dict[Key, Reply] = {}
        self._submitted: list[Reply] = []
        self._fresh = count()

    def __len__(self) -> int:
        """Count replies and refusals."""
        return len(self._replies)

    def find(self, client: str, request_id: str) -> Reply | None:
        """Find the reply in progress to a request."""
        return self._replies.get((client, request_id))

    def add(self, reply: Reply, request_id: str | None = None) -> Key:
        """Add a reply; without an id, beside one that may be in flight under the same."""
        key = reply.asked.client, request_id or f"#{next(self._fresh)}"  # which no request's id can be
        with self.changed:
            self._replies[key] = reply
        return key

    def remove(self, key: Key) -> None:
        """Remove a reply."""
        with self.changed:
            del self._replies[key]

    def submitted(self, reply: Reply) -> None:
        """Hand a reply whose request was submitted to the publisher, which reads and writes its files."""
        with self.changed:
            self._submitted.append(reply)
            self.changed.notify()

    def admitted(self, client: str | None = None) -> int:
        """Count the requests that are to be answered, of one client or of all."""
        with self.changed:
            return sum(
                client in (None, reply.asked.client)
                for reply in self._replies.values()
                if reply.record is not None
            )

    def asked(self, client: str, wanted: str) -> list[Reply]:
        """Find a client's replies, by id or EVERYTHING."""
        with self.changed:
            return [
                reply
                for (asker, its_id), reply in self._replies.items()
                if asker == client and wanted in (its_id, EVERYTHING)
            ]

    def drain_submitted(self) -> list[Reply]:
        """Take the replies that were ``submitted`` since the last call; called with ``changed`` held."""
        submitted, self._submitted = self._submitted, []
        return submitted

    def pending_frames(self, *, flowing: bool, room: Room = unlimited) -> list[tuple[Key, Reply, Frame]]:
        """Take the frames that are due (see ``Reply.drain``); called with ``changed`` held.

        A reply whose frames cannot be made has what is wrong with it to itself.
        """
        pending: list[tuple[Key, Reply, Frame]] = []
        for key, reply in self._replies.items():
            try:
                pending.extend((key, reply, frame) for frame in reply.drain(flowing=flowing, room=room))
            except Exception as error:  # noqa: BLE001 - one reply must not end the others
                log.error("reply.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - it quotes no prompt, as a traceback might
                pending.append((key, reply, reply.broken()))
        return pending
