"""The import rule of the design: cli -> service -> {mqtt, engine, telemetry} -> {host, config, errors}."""

import ast
import subprocess
import sys
from pathlib import Path

import edge_llm

ROOT = Path(edge_llm.__file__).parent


def imported_by(part: str) -> set[str]:
    files = [*(ROOT / part).glob("*.py"), *ROOT.glob(f"{part}.py")]
    names: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert names
    return names


def offending(part: str, *forbidden: str, but: str = "-") -> list[str]:
    return [name for name in imported_by(part) if name.startswith(forbidden) and not name.startswith(but)]


def test_the_engine_knows_nothing_of_mqtt() -> None:
    assert (
        offending("engine", "edge_llm.mqtt", "paho", "json.rpc", "edge_llm.service", "edge_llm.client") == []
    )


def test_mqtt_knows_nothing_of_the_engine() -> None:
    assert offending("mqtt", "edge_llm.engine", "edge_llm.service", "onnxruntime") == []


def test_telemetry_knows_neither_mqtt_nor_the_engine() -> None:
    for part in ("telemetry", "energy", "generations", "metrics", "host"):
        assert (
            offending(part, "edge_llm.mqtt", "edge_llm.engine", "edge_llm.backend", "edge_llm.service") == []
        )
    assert offending("host", "edge_llm.telemetry", "edge_llm.energy", "edge_llm.generations") == []


def test_models_is_for_the_command_line_but_for_the_bundle() -> None:
    for part in ("engine", "mqtt", "service", "backend", "client", "demo", "config"):
        assert offending(part, "edge_llm.models", but="edge_llm.models.bundle") == []


def test_paho_has_one_importer() -> None:
    importers = [path.name for path in ROOT.rglob("*.py") if "paho.mqtt" in path.read_text(encoding="utf-8")]
    assert importers == ["client.py"]


def test_the_running_service_loads_no_heavy_package() -> None:
    """Neither torch nor transformers, and none of what only `prepare` needs."""
    code = "import sys, edge_llm.service; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"torch", "transformers", "onnx", "gguf", "tqdm", "optimum", "safetensors", "huggingface_hub"}
    assert heavy & set(loaded.split()) == set()
