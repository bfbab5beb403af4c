"""What the node remembers of acts, session by session: the question it asked last, and the calls it made."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TypeVar

from edge_llm.house.acts import Act
from edge_llm.house.compiled import Doubtful
from edge_llm.house.language.speech import Speech
from edge_llm.house.targets import Target

ANSWER_WITHIN_S = 120.0
"""Seconds in which a question may be answered: a yes that comes later opens no door."""
MOST_SESSIONS = 256
"""Maximum number of sessions that are remembered; the one unused for longest goes first."""

Kept = TypeVar("Kept")
_Session = tuple[str, str]
"""A client's id, and its session's."""


@dataclass(frozen=True, slots=True)
class AskedBack:
    """A question that was asked: whether to do ``acts``, or which candidate of ``doubtful`` is meant."""

    acts: tuple[Act, ...] = ()
    doubtful: Doubtful | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that its answer may reach."""
        return self.doubtful.targets if self.doubtful else tuple(act.target for act in self.acts)


@dataclass(frozen=True, slots=True)
class Called:
    """Acts whose calls were made, each with their ids, and who speaks of them."""

    speech: Speech
    acts: tuple[tuple[Act, frozenset[str]], ...]


class ActMemory:
    """Questions and calls of the last sessions, in memory alone; for any thread."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = Lock()
        self._asked: OrderedDict[_Session, tuple[float, AskedBack]] = OrderedDict()
        self._called: OrderedDict[_Session, Called] = OrderedDict()

    def keep_question(self, client: str, session: str | None, question: AskedBack) -> None:
        """Remember a question, in place of the one before; without a session nobody can answer it."""
        self._keep(self._asked, client, session, (monotonic(), question))

    def take_question(self, client: str, session: str | None) -> AskedBack | None:
        """Forget the question of a session, and return it; None where there is none that still counts."""
        with self._lock:
            asked_s, question = self._asked.pop((client, session or ""), (0.0, None))
        return question if monotonic() - asked_s <= ANSWER_WITHIN_S else None

    def keep_calls(self, client: str, session: str | None, called: Called) -> None:
        """Remember the calls of a session's last act."""
        self._keep(self._called, client, session, called)

    def calls(self, client: str, session: str | None) -> Called | None:
        """The calls of a session's last act."""
        with self._lock:
            return self._called.get((client, session or ""))

    def _keep(self, kept: OrderedDict[_Session, Kept], client: str, session: str | None, value: Kept) -> None:
        if session is None:
            return
        with self._lock:
            kept[client, session] = value
            kept.move_to_end((client, session))
            if len(kept) > MOST_SESSIONS:
                kept.popitem(last=False)
