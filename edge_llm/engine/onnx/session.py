"""Opens the ONNX Runtime sessions of a bundle's graphs, of either graph format."""

import onnxruntime as ort

from edge_llm.bundle import PREFILL, Bundle
from edge_llm.engine.onnx.packed import open_packed
from edge_llm.errors import BundleError
from edge_llm.host.cpu import PinningPlan, physical_cores
from edge_llm.host.instructions import products_saturate, read_flags

EXACT_PRODUCTS = ("session.x64quantprecision", "1")
"""ONNX Runtime's setting that makes the int8 weights of integer products uint8, around 128, at load."""


def open_session(
    bundle: Bundle, graph_file: str, threads: int | PinningPlan | None, *, packed: bool = False
) -> ort.InferenceSession:
    """Load a graph of the bundle; ``threads``, the caller's among them, default to the physical cores.

    With a plan every worker is bound to its core; the caller binds itself, to the plan's first. ``packed``:
    map the weights from packed files, which are made if they are missing and can be kept.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
    manifest = bundle.manifest
    # What Optimum exports has its weights within the graph; float32 is not packed at all.
    if packed and manifest.graph_format == "fused" and manifest.quantization != "fp32":
        session = open_packed(bundle, graph_file, lambda: _options(bundle, graph_file, threads))
        if session:
            return session
    path = bundle.path / graph_file
    try:
        return ort.InferenceSession(
            path, _options(bundle, graph_file, threads), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise BundleError(f"ONNX Runtime cannot load {path}: {error}") from error


def _options(bundle: Bundle, graph_file: str, threads: int | PinningPlan | None) -> ort.SessionOptions:
    options = ort.SessionOptions()
    if isinstance(threads, PinningPlan):
        options.intra_op_num_threads = len(threads.cores)
        if threads.mode == "pinned" and len(threads.cores) > 1:
            # Here CPUs are counted from 1. Where binding is denied ONNX Runtime logs that and goes on.
            workers = ";".join(str(core + 1) for core in threads.cores[1:])
            options.add_session_config_entry("session.intra_op_thread_affinities", workers)
    else:
        options.intra_op_num_threads = threads or physical_cores()
    options.log_severity_level = 3
    # Workers spin within a forward pass, where work comes in microseconds, and sleep between passes.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if graph_file == PREFILL and products_saturate(read_flags()):
        # Elsewhere it would only be slower: 1.5 times with AVX512-VNNI.
        options.add_session_config_entry(*EXACT_PRODUCTS)
    if bundle.manifest.quantization == "fp32":
        # Packed copies of float32 weights would double the memory of what is only a reference.
        options.add_session_config_entry("session.disable_prepacking", "1")
    return options
