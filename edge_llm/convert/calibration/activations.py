"""Computes the activations of a text at any tensor of a graph, also of a graph that is still being written.

Each request runs only the nodes between the tensors known already and the one asked for. Going through a
model from front to back therefore costs one forward pass in all.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper

from edge_llm.convert.sources.source import Architecture
from edge_llm.host.cpu import physical_cores

Tensors = dict[str, NDArray[np.generic]]
_REMEMBERED = 3
"""Number of the latest results that are kept. The residual stream is read again up to three requests later;
anything older is computed again if it is needed."""


class Activations:
    """The activations of several conversations, each a prefill of its own."""

    def __init__(self, a: Architecture, conversations: Sequence[Sequence[int]]) -> None:
        """Prepare the inputs; ``conversations`` are their token ids."""
        self._inputs = [_inputs(a, ids) for ids in conversations]
        self._new = _new(conversations)
        self._known: list[tuple[str, list[Tensors]]] = []

    def at(self, name: str, model: onnx.ModelProto, directory: Path) -> NDArray[np.float32]:
        """Return float32 ``[tokens, width]`` of tensor ``name``, for the tokens of all conversations.

        A token has the same activations whenever the same tokens precede it. A beginning that conversations
        share, as chat templates produce, is counted once: otherwise it would outweigh all else.
        ``model`` is any model that computes it, its data in ``directory``, where a scratch file is put.
        """
        if name not in dict(self._known):
            known = [
                {k: v for _, each in self._known for k, v in each[n].items()}
                for n in range(len(self._inputs))
            ]
            feeds = [inputs | tensors for inputs, tensors in zip(self._inputs, known, strict=True)]
            self._known = [
                *self._known[1 - _REMEMBERED :],
                (name, _run(part(model, name, feeds[0]), directory, feeds)),
            ]
        return np.concatenate([tensors[name][0] for tensors in dict(self._known)[name]])[self._new]


def _new(conversations: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """A mask over all tokens: true where no earlier conversation has the same tokens up to here."""
    seen = set[tuple[int, ...]]()
    new = []
    for ids in conversations:
        beginnings = [tuple(ids[: end + 1]) for end in range(len(ids))]
        new += [each not in seen for each in beginnings]
        seen.update(beginnings)
    return np.array(new)


def _inputs(a: Architecture, ids: Sequence[int]) -> Tensors:
    """Build the graph's inputs for a prefill with an empty past."""
    nothing = np.zeros((1, a.kv_heads, 0, a.head_dim), dtype=np.float32)
    caches = {f"past.{layer}.{part}": nothing for layer in range(a.layers) for part in ("key", "value")}
    return {
        "input_ids": np.array([ids], dtype=np.int64),
        "seqlens_k": np.array([len(ids) - 1], dtype=np.int32),
        "total_sequence_length": np.array(len(ids), dtype=np.int32),
        "logits_positions": np.arange(len(ids)),
        **caches,
    }


def part(model: onnx.ModelProto, name: str, known: Mapping[str, NDArray[np.generic]]) -> onnx.ModelProto:
    """Cut out the part of ``model`` that computes ``name`` from ``known`` tensors.

    It has all outputs of the node of ``name``: an operator that adds and normalizes gives the sum, too.
    """
    wanted, nodes = {name}, list[onnx.NodeProto]()
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            nodes.insert(0, node)
            wanted |= set(node.input) - set(known) - {""}  # "" stands for what an operator is not given
    read = {each for node in nodes for each in node.input}
    inputs = [_value(each, known[each]) for each in known if each in read]
    outputs = [helper.make_empty_tensor_value_info(each) for each in nodes[-1].output if each]
    weights = [tensor for tensor in model.graph.initializer if tensor.name in read]
    graph = helper.make_graph(nodes, "part", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _value(name: str, array: NDArray[np.generic]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim
    )


def _run(model: onnx.ModelProto, directory: Path, feeds: Sequence[Tensors]) -> list[Tensors]:
    """Run the model once for each of ``feeds`` and return its outputs."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = physical_cores()
    options.log_severity_level = 3
    with NamedTemporaryFile(dir=directory, suffix=".onnx") as file:  # beside the data that it refers to
        onnx.save(model, file.name)
        session = ort.InferenceSession(file.name, options, providers=["CPUExecutionProvider"])
    inputs = [each.name for each in model.graph.input]
    outputs = [each.name for each in model.graph.output]
    return [
        dict(zip(outputs, session.run(outputs, {name: each[name] for name in inputs}), strict=True))
        for each in feeds
    ]
