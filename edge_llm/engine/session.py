"""An ONNX Runtime session over a bundle's graph, whatever the graph's flavour."""

import onnxruntime as ort

from edge_llm.errors import BundleError
from edge_llm.models.bundle import MODEL, Bundle


def open_session(bundle: Bundle, threads: int) -> ort.InferenceSession:
    """Load the bundle's graph for ``threads`` intra-op threads, the caller's among them.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Workers spin within a forward pass, where work comes in microseconds, and sleep between passes.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return ort.InferenceSession(str(bundle.path / MODEL), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise BundleError(f"ONNX Runtime cannot load {bundle.path / MODEL}: {error}") from error
