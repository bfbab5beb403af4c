"""Masks logits by a grammar, and finds the tokens that it leaves no choice about."""

from collections.abc import Sequence

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from edge_llm.engine.types import FEW_TOKENS
from edge_llm.errors import RequestError

_FORBIDDEN = np.float32(1e30)
"""Amount that the logit of a forbidden token is lowered by."""


class Matcher:
    """Follows one text along a grammar; not for several threads at once."""

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        """Begin before the first token; the grammar is that of ``matcher``."""
        self._matcher = matcher
        self._vocab_size = vocab_size
        self._bits = np.zeros(4 * ((vocab_size + 31) // 32), dtype=np.uint8)
        self._computed = False
        self._few: NDArray[np.int64] | None = None

    @property
    def few(self) -> NDArray[np.int64] | None:
        """The tokens that may come next, if they are at most ``FEW_TOKENS``; else None, or after an error."""
        if not self._computed:
            self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
            self._computed, self._few = True, self._find_few()
        return self._few

    def _find_few(self) -> NDArray[np.int64] | None:
        at = np.flatnonzero(self._bits)
        if not 0 < at.size <= FEW_TOKENS or self._matcher.is_error():
            return None
        bits = np.unpackbits(self._bits[at], bitorder="little").reshape(-1, 8)
        tokens = (8 * at[:, None] + np.arange(8))[bits.astype(np.bool_)]
        return tokens if tokens.size <= FEW_TOKENS else None

    def mask(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a copy of ``[vocab]`` logits in which those that the grammar forbids are below all others.

        Raises:
            RequestError: the grammar has become too complex (bad_request).
        """
        few = self.few
        self._check()
        if few is not None:
            masked = np.full(self._vocab_size, -_FORBIDDEN)
            masked[few] = logits[few]
            return masked
        masked = np.unpackbits(self._bits, count=self._vocab_size, bitorder="little").astype(np.float32)
        masked -= 1
        masked *= _FORBIDDEN  # several times faster than a choice for each
        masked += logits
        return masked

    def accept(self, token: int) -> list[int]:
        """Go on behind ``token``, which the mask allows; returns the tokens that must follow, see ``force``.

        Raises:
            RequestError: see ``mask``.
        """
        self._computed = False
        self._matcher.consume_token(token)
        return self.force()

    def force(self) -> list[int]:
        """Return the tokens that leave no choice, and go on behind them.

        Raises:
            RequestError: see ``mask``.
        """
        forced: list[int] = [] if self.over else self._matcher.compute_ff_tokens()
        if forced:
            self._computed = False
            self._matcher.consume_tokens(forced)
        self._check()
        return forced

    def allows(self, tokens: Sequence[int]) -> int:
        """Number of ``tokens``, from the first, that may come next."""
        allowed: int = self._matcher.validate_tokens(list(tokens))
        return allowed

    @property
    def over(self) -> bool:
        """True once the text is complete and the grammar allows no further token."""
        return bool(self._matcher.is_stopped())

    def _check(self) -> None:
        if self._matcher.is_error():
            raise RequestError("bad_request", "its tools or its schema are too complex for a grammar")
