"""A model source: weights, tokenizer and chat template, independent of the file format.

Knows nothing of graphs or quantization. Weights carry the names that Hugging Face's `transformers`
gives them, in its layout ``[out_features, in_features]``, and are read one at a time.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from edge_llm.bundle import Sampling
from edge_llm.errors import SourceError


@dataclass(frozen=True)
class Architecture:
    """Dimensions and variants of a decoder of the Llama family (Qwen2: ``qkv_bias``, Qwen3: ``qk_norm``)."""

    family: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    context_tokens: int
    rope_theta: float
    rms_eps: float
    tied: bool
    qkv_bias: bool = False
    qk_norm: bool = False


def recommended_sampling(values: Mapping[str, Any]) -> Sampling | None:
    """Read the sampling parameters in ``values``; invalid ones are left out. None where there are none."""
    found: dict[str, Any] = {}
    for name in Sampling.model_fields:
        with suppress(ValidationError):
            found |= Sampling.model_validate({name: values.get(name)}).model_dump(exclude_none=True)
    return Sampling(**found) if found else None


@dataclass(frozen=True)
class Source:
    """A readable model: ``tensors`` maps a weight's name to a function that reads it as float32."""

    name: str
    origin: str
    revision: str | None
    license: str | None
    architecture: Architecture
    tensors: Mapping[str, Callable[[], NDArray[np.float32]]]
    tokenizer_json: str
    chat_template: str
    eos_token_ids: tuple[int, ...]
    bos_token: str | None
    eos_token: str | None
    sampling: Sampling | None = None
    eos_sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the places that each end token was found in, by its text."""
    special_tokens: Mapping[str, str | tuple[str, ...]] | None = None
    """Names that the chat template is given; None: ``bos_token`` and ``eos_token`` alone."""

    def tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Read one weight, C-contiguous float32 of exactly that ``shape``.

        Raises:
            SourceError: there is no such weight, it has another shape or values that are no numbers, or it
                cannot be read.
        """
        if name not in self.tensors:
            raise SourceError(
                f"{self.origin} lacks the tensor {name}: the file is incomplete, fetch it again"
            )
        try:
            value = self.tensors[name]()
        except (OSError, ValueError, NotImplementedError) as error:
            raise SourceError(f"{self.origin}: cannot read the tensor {name}: {error}") from error
        if value.shape != shape:
            raise SourceError(
                f"{self.origin}: tensor {name} has shape {value.shape}, the architecture needs {shape}"
            )
        # The sum is quick, and tells nearly always; int8 activations would hide what is no number later.
        if not np.isfinite(value.sum()) and not np.isfinite(value).all():
            raise SourceError(
                f"{self.origin}: tensor {name} has values that are no numbers (NaN or infinite): the model's"
                " training failed, or the file is damaged"
            )
        return np.ascontiguousarray(value, dtype=np.float32)
