"""The import rule: a folder imports from the floors below it alone, and no files import in a circle."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import edge_llm

ROOT = Path(edge_llm.__file__).parent
FLOORS = (
    ("cli",),
    ("bench", "documents", "voice", "web"),
    ("node", "client", "convert", "demo"),
    ("gateway", "engine", "telemetry", "homeassistant", "house"),
    ("mqtt", "contract", "host"),
    ("bundle", "config", "errors", "event_log", "state"),
)
GROUND = len(FLOORS) - 1
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module(path): path for path in ROOT.rglob("*.py")}


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, wherever in it that stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= submodules & MODULES.keys() or {str(node.module)}
    return {name for name in found if name in MODULES} - {"edge_llm"}


def room(name: str) -> str:
    return name.split(".")[1]


def test_every_folder_and_file_has_a_floor() -> None:
    assert {room(name) for name in MODULES if name != "edge_llm"} == FLOOR.keys()


def test_imports_lead_to_a_lower_floor_or_stay_in_the_folder() -> None:
    wrong = [
        f"{importer} -> {imported}"
        for importer, path in MODULES.items()
        if importer != "edge_llm"
        for imported in imports(path)
        if room(imported) != room(importer)
        and FLOOR[room(imported)] <= FLOOR[room(importer)]
        and FLOOR[room(importer)] != GROUND
    ]
    assert wrong == []


def test_no_files_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter({name: imports(path) - {name} for name, path in MODULES.items()}).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_the_package_imports_nothing_of_the_benchmarks() -> None:
    """They are not in the wheel."""
    line = re.compile(r"^\s*(from|import) benchmarks\b", re.MULTILINE)
    importers = [name for name, path in MODULES.items() if line.search(path.read_text(encoding="utf-8"))]
    assert importers == []


def test_paho_is_imported_in_one_folder() -> None:
    importers = {
        path.parent.name for path in ROOT.rglob("*.py") if "paho.mqtt" in path.read_text(encoding="utf-8")
    }
    assert importers == {"mqtt"}


def test_documents_load_neither_a_model_nor_what_runs_one() -> None:
    parts = "documents.service", "cli.main", "cli.commands.documents"
    code = f"import sys; {'; '.join(f'import edge_llm.{part}' for part in parts)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"onnxruntime", "numpy", "tokenizers", "llguidance", "pypdf"}
    assert heavy & set(loaded.split()) == set()


def test_the_running_service_loads_no_heavy_package() -> None:
    """Neither torch nor transformers, and none of what only `prepare` needs."""
    code = "import sys, edge_llm.node.process, edge_llm.node.service; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"torch", "transformers", "onnx", "gguf", "tqdm", "optimum", "safetensors", "huggingface_hub"}
    assert heavy & set(loaded.split()) == set()
