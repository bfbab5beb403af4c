"""What a model's makers recommend goes into the manifest, and bundles without it go on working."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import MANIFEST, Manifest, Sampling, read_manifest
from edge_llm.convert.prepare import prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.gguf_file import _sampling
from edge_llm.convert.sources.open_source import open_source
from tests.tiny_model import write_json, write_model

QWEN = {
    "do_sample": True,
    "eos_token_id": [1],
    "repetition_penalty": 1.1,
    "temperature": 0.7,
    "top_p": 0.8,
    "top_k": 20,
    "transformers_version": "4.37.0",
}
"""generation_config.json of Qwen2.5-0.5B-Instruct."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        (None, None),
        ({"eos_token_id": 1, "max_length": 40, "pad_token_id": 0}, None),
        (QWEN, Sampling(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.1)),
        ({"temperature": 0.6, "min_p": 0.05}, Sampling(temperature=0.6, min_p=0.05)),
        ({"do_sample": True, "top_p": 0.9}, Sampling(temperature=1.0, top_p=0.9)),
        ({**QWEN, "do_sample": False}, Sampling(repetition_penalty=1.1)),
        ({"do_sample": False, "temperature": 0.6}, None),
        (
            {"temperature": "hot", "top_k": -1, "top_p": None, "repetition_penalty": 1.05},
            Sampling(repetition_penalty=1.05),
        ),
    ],
    ids=str,
)
def test_generation_config_recommends(model: Path, generation: Any, expected: Sampling | None) -> None:
    (model / "generation_config.json").unlink(missing_ok=True)
    if generation is not None:
        write_json(model / "generation_config.json", generation)
    assert open_source(str(model), model).sampling == expected


def test_a_gguf_file_may_recommend_too() -> None:
    meta = {
        "general.name": "tiny",
        "general.sampling.temp": 0.5,
        "general.sampling.top_k": 40,
        "general.sampling.penalty_repeat": 1.25,
        "general.sampling.mirostat": 2,
    }
    assert _sampling(meta) == Sampling(temperature=0.5, top_k=40, repetition_penalty=1.25)
    assert _sampling({"general.name": "tiny"}) is None


def test_the_manifest_has_it_and_one_without_it_is_read(model: Path, tmp_path: Path) -> None:
    write_json(model / "generation_config.json", QWEN)
    bundle = prepare_bundle(open_source(str(model), model), tmp_path / "b", "int8", Progress(quiet=True))
    written = json.loads((bundle.path / MANIFEST).read_text())
    assert bundle.manifest.sampling == Sampling(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.1)
    del written["sampling"]
    (bundle.path / MANIFEST).write_text(json.dumps(written))
    assert read_manifest(bundle.path).manifest.sampling is None
    assert "sampling" not in Manifest.model_validate(written).model_fields_set
