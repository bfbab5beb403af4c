"""The setting of a measurement: model, threads, rounds, and the host it ran on."""

import os
from importlib.metadata import version
from typing import Any

from edge_llm.bundle import Bundle
from edge_llm.host.cpu import read_model_name


def read_setting(bundle: Bundle, threads: int, rounds: int) -> dict[str, Any]:
    """Describe a measurement that is about to begin; the load average is that of now."""
    return {
        "model": bundle.manifest.name,
        "quantization": bundle.manifest.quantization,
        "bundle_hash": bundle.hash,
        "threads": threads,
        "rounds": rounds,
        "onnxruntime": version("onnxruntime"),
        "cpu": read_model_name() or "unknown CPU",
        "load_average": round(os.getloadavg()[0], 2),
    }


def setting_lines(setting: dict[str, Any]) -> list[str]:
    """Format the setting as two lines."""
    model = "{model}, {quantization}, {threads} threads, {rounds} rounds"
    host = "onnxruntime {onnxruntime}, {cpu}, load average {load_average} before (quiet: below 0.5)"
    return [model.format(**setting), host.format(**setting)]
