"""One reply that keeps to a grammar: which tokens it may have, and the calls in it."""

from collections.abc import Callable
from math import exp

import numpy as np
from numpy.typing import NDArray

from edge_llm.contract.tools import ToolCall
from edge_llm.engine.constraint.calls import CallReader
from edge_llm.engine.constraint.matcher import Matcher
from edge_llm.engine.sampler import Sampler


class Constraint:
    """Follows one reply from its first token on; the engine thread's own.

    Where a reply may be text or calls the model decides by its first token: what begins a call in any way is
    one, in the form that the grammar has. In a text that has begun, ``opening_token`` begins calls, too.
    """

    def __init__(
        self,
        matcher: Matcher,
        reader: CallReader | None = None,
        opens: Callable[[int], bool] | None = None,
        opening_token: int | None = None,
        *,
        measured: bool = False,
    ) -> None:
        """Keep to the grammar of ``matcher``; ``reader`` reads the calls of one that is made of calls.

        With ``opens``, which tells whether a token begins a call, the reply may also be a text. How likely
        the model found it is ``measured`` only on demand: that takes a millisecond a token.
        """
        self._matcher = matcher
        self._reader = reader
        self._opens = opens
        self._opening_token = opening_token
        self._in_force = opens is None
        self._log_probability = 0.0 if measured else None

    @property
    def probability(self) -> float | None:
        """Probability of the reply among all that the grammar allows; None where it is not measured."""
        return None if self._log_probability is None else exp(self._log_probability)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls that are whole."""
        return tuple(self._reader.calls) if self._reader else ()

    @property
    def calling(self) -> bool:
        """True while the reply's tokens are calls, whose text no client is sent."""
        return self._in_force and self._reader is not None

    @property
    def masks(self) -> bool:
        """True where the next token is, or may turn out to be, one of those that the grammar allows."""
        return self._in_force or self._opens is not None

    @property
    def allowed(self) -> NDArray[np.int64] | None:
        """The tokens among which the next one is chosen, if they are few; else None."""
        return self._matcher.few if self._in_force else None

    @property
    def over(self) -> bool:
        """True once the grammar allows no further token, or the model has made a call for the second time."""
        repeats = self._reader is not None and self._reader.repeats
        return self._in_force and (repeats or self._matcher.over)

    def begin(self) -> list[int]:
        """Return the tokens that every reply begins with; none where it may be a text.

        Raises:
            RequestError: see ``choose``.
        """
        return self._matcher.force() if self._in_force else []

    def choose(self, logits: NDArray[np.float32], sample: Sampler) -> int:
        """Sample a token from ``[vocab]`` logits among those that the grammar allows.

        Raises:
            RequestError: the grammar has become too complex (bad_request).
        """
        if self._opens:
            token = sample(logits)
            self._in_force, self._opens = self._opens(token), None
            if not self._in_force:
                return token
        if not self._in_force:
            return sample(logits)
        masked = self._matcher.mask(logits)
        token = sample(masked)
        if self._log_probability is not None:
            few = self._matcher.few
            scores = masked if few is None else masked[few]
            best = scores.max()
            self._log_probability += float(masked[token] - best - np.log(np.exp(scores - best).sum()))
        return token

    def accept(self, token: int) -> list[int]:
        """Go on behind a token that was chosen; returns those that must follow it.

        Raises:
            RequestError: see ``choose``.
        """
        if not self._in_force:
            if token != self._opening_token:
                return []
            self._in_force = True
        return self._matcher.accept(token)

    def cut(self, draft: list[int]) -> list[int]:
        """The beginning of a draft of the next tokens that the grammar allows."""
        return draft[: self._matcher.allows(draft)] if self._in_force and draft else draft

    def read(self, text: str) -> list[ToolCall]:
        """Take in text while ``calling``; returns the calls that it completes."""
        assert self._reader
        return self._reader.push(text)
