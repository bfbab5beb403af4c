"""An ONNX Runtime session over a bundle's graph, whatever the graph's flavour."""

import onnxruntime as ort

from edge_llm.errors import BundleError
from edge_llm.host.cpu import physical_cores
from edge_llm.models.bundle import MODEL, Bundle


def open_session(bundle: Bundle, threads: int | None) -> ort.InferenceSession:
    """Load the bundle's graph; ``threads``, the caller's among them, default to the physical cores.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or physical_cores()
    options.log_severity_level = 3
    # Workers spin within a forward pass, where work comes in microseconds, and sleep between passes.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if bundle.manifest.quantization == "fp32":
        # Packed copies of float32 weights would double the memory of what is only a reference.
        options.add_session_config_entry("session.disable_prepacking", "1")
    path = bundle.path / MODEL
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise BundleError(f"ONNX Runtime cannot load {path}: {error}") from error
