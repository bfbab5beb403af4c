"""A model that turns a text into a vector of its meaning: ONNX Runtime and a tokenizer, from a directory."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_llm.errors import ConfigError

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
PROMPTS = "config_sentence_transformers.json"
"""Optional file of sentence-transformers: the prefixes that the model wants before questions and passages."""
_MAX_TOKENS = 256
"""A longer text is cut; passages have about 230 tokens."""
_LEAST_NORM = 1e-9
_HIDDEN = ("text", "token", "dimension")
"""Shape of the model's output."""

Vectors = NDArray[np.float32]


class Embedder:
    """Mean of the model's last hidden states, of length 1 (Reimers and Gurevych 2019). Not thread-safe."""

    def __init__(self, directory: Path) -> None:
        """Load the model with one thread: the node's model needs the other cores.

        Raises:
            ConfigError: a file is missing or cannot be used.
        """
        files = [file for name in (MODEL, TOKENIZER, PROMPTS) if (file := directory / name).is_file()]
        try:
            self._tokenizer = Tokenizer.from_file(str(directory / TOKENIZER))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.enable_cpu_mem_arena = False  # it would keep what the longest passages took
            self._session = onnxruntime.InferenceSession(
                directory / MODEL, options, providers=["CPUExecutionProvider"]
            )
            prompts = directory / PROMPTS
            found = json.loads(prompts.read_bytes()).get("prompts", {}) if prompts.is_file() else {}
            self._before_question, self._before_passage = found.get("query", ""), found.get("document", "")
            self.name = hashlib.sha256(b"".join(_digest(file) for file in files)).hexdigest()
            """Tells models apart: vectors of another model are made anew."""
        except Exception as error:  # the libraries raise what they like
            raise ConfigError(
                f"documents.embeddings {directory}: {MODEL} and {TOKENIZER} of a sentence embedding"
                f" model are needed: {str(error).splitlines()[0]}"
            ) from error
        self._inputs = [each.name for each in self._session.get_inputs()]
        if len(self._session.get_outputs()[0].shape) != len(_HIDDEN):
            raise ConfigError(f"documents.embeddings {directory}: {MODEL} does not give its hidden states")
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()

    def question(self, text: str) -> Vectors:
        """Return the vector of a question, of shape (dimension,)."""
        vectors = self._embed([self._before_question + text])
        return vectors.reshape(-1)

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of passages, of shape (texts, dimension)."""
        return self._embed([self._before_passage + text for text in texts])

    def _embed(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
        fed = {
            "input_ids": np.array([each.ids for each in encoded], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        hidden: Vectors = self._session.run(None, {name: fed[name] for name in self._inputs})[0]
        summed: Vectors = np.einsum("btd,bt->bd", hidden, mask.astype(np.float32))
        lengths = np.linalg.norm(summed, axis=1, keepdims=True)
        unit: Vectors = (summed / np.maximum(lengths, _LEAST_NORM)).astype(np.float32)
        return unit


def _digest(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
