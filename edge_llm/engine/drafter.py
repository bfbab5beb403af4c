"""Drafts of coming tokens, looked up in prompt and reply (prompt-lookup decoding, Saxena 2023).

A draft costs: a step that verifies K tokens takes longer than a step of one. How long a draft may be is
chosen by the share of drafts that were accepted so far.
"""

from collections.abc import Sequence

NGRAM = 3
MAX_DRAFT = 7
STEP_COST = (1.0, 1.17, 1.5, 1.9, 2.2, 2.5, 2.8, 3.1)
"""Time of a step that verifies 1, 2, … 8 tokens, in steps of one (measured on two Zen 3 cores at 4 bits)."""
_PRIOR = 0.5
_MEMORY = 0.9
_PROBE_EVERY = 16


class Drafter:
    """Follows one reply; ``acceptance`` is a moving average of the first drafted token being right."""

    def __init__(self, acceptance: float = _PRIOR) -> None:
        """Begin with the acceptance of earlier replies."""
        self.acceptance = acceptance
        self.drafted = 0
        self.accepted = 0
        self._positions: dict[tuple[int, ...], int] = {}
        self._seen = 0
        self._skipped = 0

    def draft(self, ids: Sequence[int]) -> list[int]:
        """Copy what followed the last NGRAM tokens of ``ids`` where they stood before, if worth a try."""
        for end in range(max(self._seen, NGRAM), len(ids)):
            self._positions[tuple(ids[end - NGRAM : end])] = end
        self._seen = len(ids)
        found = self._positions.get(tuple(ids[-NGRAM:]))
        if found is None:
            return []
        length = self._worthwhile()
        return list(ids[found : found + length])

    def observe(self, drafted: int, accepted: int) -> None:
        """Learn how many of the drafted tokens the model would have chosen."""
        self.drafted += drafted
        self.accepted += accepted
        for hit in [True] * accepted + [False] * (accepted < drafted):
            self.acceptance = _MEMORY * self.acceptance + (1 - _MEMORY) * hit

    def _worthwhile(self) -> int:
        """Choose the length with the most expected tokens per time; instead of 0 now and then 1, to learn."""
        best, best_rate, expected, likely = 0, 1.0, 1.0, 1.0
        for length in range(1, MAX_DRAFT + 1):
            likely *= self.acceptance
            expected += likely
            if expected / STEP_COST[length] > best_rate:
                best, best_rate = length, expected / STEP_COST[length]
        if best:
            return best
        self._skipped += 1
        return 1 if self._skipped % _PROBE_EVERY == 0 else 0
