"""The calibrated quantizer: rounds 4-bit matrices for the activations that they are multiplied with.

It goes layer by layer: the activations are those that the rounded layers before it compute from the
calibration text.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_llm.bundle import MODEL, Bundle, Calibration
from edge_llm.convert.calibration.activations import Activations
from edge_llm.convert.calibration.checkpoint import Checkpoint
from edge_llm.convert.calibration.gptq import Curvature, curvature, gptq
from edge_llm.convert.calibration.text import CONTEXT_TOKENS, Piece, encode, own_text
from edge_llm.convert.graph import INPUTS, Quantizer, Weight, matrix_count
from edge_llm.convert.llama_graph import Read
from edge_llm.convert.progress import Progress
from edge_llm.convert.quantize import QuantizedMatrix
from edge_llm.convert.sources.source import Source
from edge_llm.convert.writer import GraphWriter
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.tokenizer import ChatTokenizer

TOKENS = 10_000
"""Length of the calibration text in tokens; a longer file is cut to its first tokens."""
SEED = 0


class Calibrated:
    """A quantizer that stores matrices as ``base`` does, but chooses 4-bit values by GPTQ."""

    def __init__(
        self,
        source: Source,
        base: Quantizer,
        reference: Bundle,
        conversations: Sequence[Sequence[int]],
        checkpoint: Checkpoint,
        progress: Progress,
    ) -> None:
        """Open a progress bar; ``reference`` is a nearly exact bundle of the same source, with 8 bits."""
        self._a = source.architecture
        self._base = base
        self._reference = reference
        self._conversations = conversations
        self._activations = Activations(self._a, conversations)
        self._checkpoint = checkpoint
        self._advance = progress.stage("calibrate", matrix_count(self._a), "matrices")
        self._met: tuple[str, Curvature] | None = None

    def __call__(self, name: str, read: Read, graph: GraphWriter) -> Weight:
        """Round one matrix: see ``Quantizer``."""
        matrix = self._checkpoint.matrix(name)
        if matrix is not None:
            self._advance(f"{name}, done before")
            return matrix
        plain = self._base(name, read, graph)
        looked_up_only = name == "embedding" and not self._a.tied
        if not isinstance(plain, QuantizedMatrix) or plain.bits != 4 or looked_up_only:
            self._advance(name)
            return plain
        matrix, error = gptq(read(), plain, self._curvature(name, graph))
        self._checkpoint.keep_matrix(name, matrix)
        self._advance(f"{name}, error {error:.2f} of plain rounding's")
        return matrix

    def _curvature(self, name: str, graph: GraphWriter) -> Curvature:
        """Curvature of the inputs of the matrix ``name``; ``gate`` and ``up`` share theirs."""
        group, _, layer = name.partition(".")
        inputs = INPUTS[group].format(layer=layer)
        if self._met is None or self._met[0] != inputs:
            self._met = None  # two of them need not be in memory
            self._met = inputs, curvature(self._inputs(name, inputs, graph))
        return self._met[1]

    def _inputs(self, name: str, inputs: str, graph: GraphWriter) -> NDArray[np.float32]:
        if name != "embedding":
            return self._activations.at(inputs, graph.model("part", [], []), graph.directory)
        # The head, but of all matrices the first to be written: the reference says what it will meet.
        model = onnx.load(self._reference.path / MODEL, load_external_data=False)
        return Activations(self._a, self._conversations).at(inputs, model, self._reference.path)


def calibration_text(
    reference: Bundle, pieces: Sequence[Piece], checkpoint: Checkpoint, progress: Progress
) -> tuple[list[list[int]], Calibration]:
    """Token ids of the conversations to calibrate with: ``pieces``, or else replies of ``reference``.

    Raises:
        SourceError: the context is too short for the openers, or the template refuses a chat.
    """
    tokenizer, manifest = ChatTokenizer(reference), reference.manifest
    context = min(CONTEXT_TOKENS, manifest.context_tokens)
    if pieces:
        conversations = encode(pieces, tokenizer, TOKENS, context)
        return conversations, Calibration(text="file", seed=None, tokens=sum(map(len, conversations)))
    conversations = checkpoint.text()
    advance = progress.stage("write text", TOKENS, "tokens")
    decoder = load_decoder(reference, KVCache(manifest.kv, 1, context))
    replies = own_text(decoder, tokenizer, manifest.eos_token_ids, SEED, len(conversations))
    while sum(map(len, conversations)) < TOKENS:
        conversations.append(next(replies))
        checkpoint.keep_text(conversations)
        advance(f"conversation {len(conversations)}", count=len(conversations[-1]))
    return conversations, Calibration(text="self", seed=SEED, tokens=sum(map(len, conversations)))
