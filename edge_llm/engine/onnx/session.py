"""Opens the ONNX Runtime session of a graph in a bundle, of either graph format."""

import onnxruntime as ort

from edge_llm.bundle import Bundle
from edge_llm.errors import BundleError
from edge_llm.host.cpu import PinningPlan, physical_cores


def open_session(bundle: Bundle, graph: str, threads: int | PinningPlan | None) -> ort.InferenceSession:
    """Load the bundle's file ``graph``; ``threads``, with the caller's, default to the physical cores.

    With a plan every worker is bound to its core; the caller binds itself, to the plan's first.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
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
    if bundle.manifest.quantization == "fp32":
        # Packed copies of float32 weights would double the memory of what is only a reference.
        options.add_session_config_entry("session.disable_prepacking", "1")
    path = bundle.path / graph
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise BundleError(f"ONNX Runtime cannot load {path}: {error}") from error
