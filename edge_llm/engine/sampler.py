"""From logits to a token: a sampler is a function chosen once a request."""

from collections.abc import Callable, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from edge_llm.engine.types import SamplingParams

Sampler = Callable[[NDArray[np.float32]], int]
"""Takes float32 ``[vocab]`` and returns a token id; does not write to its argument."""

_FIRST_CANDIDATES = 256
_FEW = 64


def looks_at_few(params: SamplingParams) -> bool:
    """Tell whether the largest logits alone decide: of the others it is enough that they are smaller."""
    return params.temperature == 0 or 0 < params.top_k <= _FEW


def make_sampler(params: SamplingParams, prompt: Sequence[int] = ()) -> Sampler:
    """The sampler that ``params`` describes; the same seed gives the same choices.

    With penalties it remembers what it has chosen: it is called once for each token of a reply to
    ``prompt``, in order. top-k is applied before top-p and that before min-p, all on the distribution after
    penalties and temperature (as in transformers). The whole vocabulary is never sorted: candidates are
    partitioned off the top first.
    """
    choose = _chooser(params)
    if (params.repetition_penalty, params.frequency_penalty, params.presence_penalty) == (1, 0, 0):
        return choose
    penalties = _Penalties(params, prompt)

    def choose_penalized(logits: NDArray[np.float32]) -> int:
        token = choose(penalties.apply(logits))
        penalties.count(token)
        return token

    return choose_penalized


def _chooser(params: SamplingParams) -> Sampler:
    """The sampler without penalties."""
    if params.temperature == 0 or params.top_k == 1:
        return lambda logits: int(logits.argmax())
    rng = np.random.default_rng(params.seed)
    temperature = np.float32(params.temperature)

    if params.top_p < 1:
        return lambda logits: _top_p(logits / temperature, params, rng)
    if params.top_k > 0:
        return lambda logits: _top_k(logits / temperature, params, rng)
    if params.min_p > 0:
        return lambda logits: _min_p(logits / temperature, params.min_p, rng)
    # argmax(logits + Gumbel noise) draws from softmax(logits) without a normalization (Gumbel-max trick).
    return lambda logits: int((logits / temperature + rng.gumbel(size=logits.size)).argmax())


class _Penalties:
    """Ids that a conversation has used, and how often the reply did; lowers their logits."""

    def __init__(self, params: SamplingParams, prompt: Sequence[int]) -> None:
        self._params = params
        used = np.unique(np.array(prompt if params.repetition_penalty != 1 else (), dtype=np.intp))
        self._ids = np.concatenate([used, np.zeros(64, np.intp)])
        self._counts = np.zeros(self._ids.size, np.float32)
        self._at = {token: at for at, token in enumerate(used.tolist())}

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a copy with repetition penalty (Keskar et al. 2019, prompt and reply), then OpenAI's two."""
        params, used = self._params, len(self._at)
        ids, counts = self._ids[:used], self._counts[:used]
        values = logits[ids]
        penalty = np.float32(params.repetition_penalty)
        values = np.where(values > 0, values / penalty, values * penalty)
        values -= np.float32(params.frequency_penalty) * counts
        values -= np.float32(params.presence_penalty) * (counts > 0)
        penalized = logits.copy()
        penalized[ids] = values
        return penalized

    def count(self, token: int) -> None:
        """Take in a token of the reply."""
        at = self._at.setdefault(token, len(self._at))
        if at == self._ids.size:
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._ids[at] = token
        self._counts[at] += 1


def _top_k(logits: NDArray[np.float32], params: SamplingParams, rng: np.random.Generator) -> int:
    candidates = _largest(logits, params.top_k)
    if params.min_p > 0:
        values = logits[candidates]
        candidates = candidates[values >= values.max() + log(params.min_p)]
    return _draw(logits, candidates, rng)


def _min_p(logits: NDArray[np.float32], min_p: float, rng: np.random.Generator) -> int:
    """Sample among the tokens at least ``min_p`` as likely as the likeliest (Nguyen et al. 2024)."""
    return _draw(logits, np.flatnonzero(logits >= logits.max() + log(min_p)), rng)


def _draw(logits: NDArray[np.float32], candidates: NDArray[np.intp], rng: np.random.Generator) -> int:
    return int(candidates[(logits[candidates] + rng.gumbel(size=candidates.size)).argmax()])


def _top_p(logits: NDArray[np.float32], params: SamplingParams, rng: np.random.Generator) -> int:
    """Nucleus sampling (Holtzman et al. 2020): the fewest tokens whose probability reaches ``top_p``."""
    top_k, top_p = params.top_k, params.top_p
    limit = min(top_k or logits.size, logits.size)
    weights = np.exp(logits - logits.max())
    candidates = _largest(logits, limit if top_k else _FIRST_CANDIDATES)
    total = weights[candidates].sum() if top_k else weights.sum()
    while candidates.size < limit and weights[candidates].sum() < top_p * total:
        candidates = _largest(logits, 8 * candidates.size)
    candidates = candidates[np.argsort(-logits[candidates], kind="stable")]
    cumulated = weights[candidates].cumsum()
    kept = int(np.searchsorted(cumulated, top_p * total)) + 1
    if params.min_p > 0:
        kept = min(kept, int((weights[candidates] >= params.min_p).sum()))
    cumulated = cumulated[:kept]
    return int(candidates[np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right")])


def _largest(logits: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    if count >= logits.size:
        return np.arange(logits.size)
    return np.sort(np.argpartition(logits, -count)[-count:])  # the same order, whatever the others are
