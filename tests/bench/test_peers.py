"""`python -m benchmarks.peers` as a user runs it, in its smallest setting; no figure's size is tested."""

import json
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peer_models import write_directory
from edge_llm.bundle import PREFILL, Bundle
from edge_llm.convert.sources.hf_directory import open_directory
from tests.tiny_model import write_model

BUNDLE = Callable[[str], Bundle]
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "benchmarks.peers", "--quick"]


def run(*arguments: str | Path) -> dict[str, Any]:
    command = [*COMMAND, "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, cwd=ROOT)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_peers_that_are_not_installed_are_named_as_missing(bundle: BUNDLE, tmp_path: Path) -> None:
    """An interpreter without any of them: ours runs, and the table says what is missing and why."""
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    ours, *others = run("--bundle", bundle("int8").path, "--peer-python", python)["peers"]
    assert ours["name"] == "edge_llm int8"
    assert ours["peak_rss_mb"] > 0
    for measure in ("prefill", "decode"):
        assert list(ours[measure]) == ["256", "1024"]
        for its in ours[measure].values():
            assert its["median"] > 0
            assert its["ours_to_this"]["values"] == [1.0]
    of_ours = [other for other in others if other["name"].startswith("edge_llm")]
    assert [other["name"] for other in of_ours] == [
        "edge_llm int8, mlock",
        *(["edge_llm int8, no prefill graph"] if PREFILL in bundle("int8").manifest.sha256 else []),
    ]
    theirs = {other["name"]: other for other in others if other not in of_ours}
    assert {"llama.cpp Q8_0", "OpenVINO GenAI int8", "Optimum INT8 (seed)"} <= set(theirs)
    assert all(other["missing"] for other in theirs.values())


def test_only_named_engines_are_compared(bundle: BUNDLE) -> None:
    """Several bundles side by side, and none of the others; ratios refer to the first."""
    bundles = ("--bundle", bundle("int4").path, "--bundle", bundle("int8").path)
    first, second, *_ = run(*bundles, "--only", "edge_llm int8", "--peer-python", sys.executable)["peers"]
    assert first["name"] == "edge_llm int4"
    assert second["name"].startswith("edge_llm int8")
    assert second["decode"]["256"]["ours_to_this"]["median"] == pytest.approx(
        first["decode"]["256"]["median"] / second["decode"]["256"]["median"], abs=0.01
    )


def test_peers_of_another_source_than_the_bundles_are_refused(bundle: BUNDLE, tmp_path: Path) -> None:
    """Weights that differ would make every ratio a lie."""
    other = write_model(tmp_path / "other")
    command = [*COMMAND, "--bundle", str(bundle("int8").path), "--source", str(other)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 1
    assert "--source" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_peers_get_the_weights_of_the_source(family: str, tmp_path: Path) -> None:
    """What transformers is to read is the same model, tensor for tensor."""
    source = open_directory(write_model(tmp_path / "source", family), origin="tiny")
    write_directory(source, tmp_path / "written")
    written = open_directory(tmp_path / "written", origin="tiny")
    assert written.architecture == source.architecture
    assert written.eos_token_ids == source.eos_token_ids
    assert written.chat_template == source.chat_template
    assert set(written.tensors) == set(source.tensors)
    for name, read in source.tensors.items():
        assert (written.tensors[name]() == read()).all()
