"""The replies in flight, by client and id; any thread may look, and what varies is guarded by ``changed``."""

from itertools import count
from threading import Condition

from edge_llm.contract.frames import Frame
from edge_llm.contract.requests import EVERYTHING
from edge_llm.gateway.reply import Reply

Key = tuple[str, str]


class InFlight:
    """Every reply from its request's arrival until its terminal frame is handed over."""

    def __init__(self) -> None:
        """Begin empty; ``changed`` is notified by the replies when they have something to say."""
        self.changed = Condition()
        self._replies: dict[Key, Reply] = {}
        self._fresh = count()

    def __len__(self) -> int:
        """Replies and refusals."""
        return len(self._replies)

    def find(self, client: str, request_id: str) -> Reply | None:
        """The reply to a request that is being made."""
        return self._replies.get((client, request_id))

    def add(self, reply: Reply, request_id: str | None = None) -> Key:
        """Take in a reply; without an id, beside one that may be in flight under the same."""
        key = reply.client, request_id or f"#{next(self._fresh)}"  # which no request's id can be
        with self.changed:
            self._replies[key] = reply
        return key

    def remove(self, key: Key) -> None:
        """Take one out."""
        with self.changed:
            del self._replies[key]

    def admitted(self, client: str | None = None) -> int:
        """How many are to be made, of one client or of all."""
        with self.changed:
            return sum(
                client in (None, reply.client) for reply in self._replies.values() if reply.entry is not None
            )

    def asked(self, client: str, wanted: str) -> list[Reply]:
        """Those of a client, by id or EVERYTHING."""
        with self.changed:
            return [
                reply
                for (asker, its_id), reply in self._replies.items()
                if asker == client and wanted in (its_id, EVERYTHING)
            ]

    def due(self, node: str, *, flowing: bool) -> list[tuple[Key, Reply, Frame]]:
        """The frames to be sent now; see ``Reply.take``."""
        with self.changed:
            return [
                (key, reply, frame)
                for key, reply in self._replies.items()
                for frame in reply.take(node, flowing=flowing)
            ]
