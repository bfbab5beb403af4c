"""edge_llm: a smart home's own language model, over MQTT."""

import os
from importlib.metadata import version

__version__ = version("edge-llm")

# From 1.29 on ONNX Runtime reports host, model and use to its maker unless this stands before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
