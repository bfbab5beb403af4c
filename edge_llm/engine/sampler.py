"""From logits to a token: a sampler is a function chosen once a request."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_llm.engine.types import SamplingParams

Sampler = Callable[[NDArray[np.float32]], int]
"""Takes float32 ``[vocab]`` and returns a token id; does not write to its argument."""

_FIRST_CANDIDATES = 256


def make_sampler(params: SamplingParams) -> Sampler:
    """The sampler that ``params`` describes; the same seed gives the same choices.

    top-k is applied before top-p, both on the distribution after temperature (as in transformers).
    The whole vocabulary is never sorted: candidates are partitioned off the top first.
    """
    if params.temperature == 0 or params.top_k == 1:
        return lambda logits: int(logits.argmax())
    rng = np.random.default_rng(params.seed)
    temperature = np.float32(params.temperature)

    if params.top_p < 1:
        return lambda logits: _top_p(logits / temperature, params.top_k, params.top_p, rng)
    if params.top_k > 0:
        return lambda logits: _top_k(logits / temperature, params.top_k, rng)
    # argmax(logits + Gumbel noise) draws from softmax(logits) without a normalization (Gumbel-max trick).
    return lambda logits: int((logits / temperature + rng.gumbel(size=logits.size)).argmax())


def _top_k(logits: NDArray[np.float32], top_k: int, rng: np.random.Generator) -> int:
    candidates = _largest(logits, top_k)
    return int(candidates[(logits[candidates] + rng.gumbel(size=candidates.size)).argmax()])


def _top_p(logits: NDArray[np.float32], top_k: int, top_p: float, rng: np.random.Generator) -> int:
    """Nucleus sampling (Holtzman et al. 2020): the fewest tokens whose probability reaches ``top_p``."""
    limit = min(top_k or logits.size, logits.size)
    weights = np.exp(logits - logits.max())
    candidates = _largest(logits, limit if top_k else _FIRST_CANDIDATES)
    total = weights[candidates].sum() if top_k else weights.sum()
    while candidates.size < limit and weights[candidates].sum() < top_p * total:
        candidates = _largest(logits, 8 * candidates.size)
    candidates = candidates[np.argsort(-logits[candidates], kind="stable")]
    cumulated = weights[candidates].cumsum()
    kept = int(np.searchsorted(cumulated, top_p * total)) + 1
    cumulated = cumulated[:kept]
    return int(candidates[np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right")])


def _largest(logits: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    if count >= logits.size:
        return np.arange(logits.size)
    return np.argpartition(logits, -count)[-count:]
