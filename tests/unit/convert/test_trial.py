"""What cannot serve replaces no bundle, and is not called well by `check` and `verify`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from edge_llm.bundle import CHAT_TEMPLATE, MANIFEST, Bundle, Manifest, open_bundle, sha256_of
from edge_llm.cli.main import main
from edge_llm.convert import verify
from edge_llm.convert.prepare import prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.convert.trial import tried_bundle, try_bundle
from edge_llm.errors import BundleError, SourceError
from tests.tiny_model import VOCAB, tokenizer, write_json, write_model


def prepare(model: Path, out: Path, *options: str) -> int:
    return main(["prepare", str(model), "--out", str(out), *options])


@pytest.fixture
def old(tmp_path: Path) -> Bundle:
    """An installed bundle, alone in its directory."""
    assert prepare(write_model(tmp_path / "good"), tmp_path / "bundles" / "b", "--no-quality") == 0
    return open_bundle(tmp_path / "bundles" / "b")


def with_template(model: Path, template: str) -> None:
    (model / CHAT_TEMPLATE).write_text(template)


def with_larger_vocabulary(model: Path) -> None:
    """A token that was added to the tokenizer and not to the weights."""
    more = tokenizer()
    more.add_special_tokens([f"<|more-{number}|>" for number in range(VOCAB)])
    more.save(str(model / "tokenizer.json"))
    with_template(model, f"{{% for m in messages %}}{{{{ m.content }}}}<|more-{VOCAB - 1}|>{{% endfor %}}")


ALTERNATING = (
    "{% if messages[2] %}{{ raise_exception('one turn only') }}{% endif %}{{ messages[-1].content }}"
)
LOOP = "{% for a in range(99999) %}"
DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "unknown tag": (lambda m: with_template(m, "\n{% frobnicate %}"), "line 2: Encountered unknown tag"),
    "unknown filter": (lambda m: with_template(m, "{{ messages | frobnicate }}"), "No filter named"),
    "refuses all": (lambda m: with_template(m, "{{ raise_exception('no') }}"), "messages: no (tried: user)"),
    "refuses turns": (
        lambda m: with_template(m, ALTERNATING),
        "one turn only (tried: user, assistant, user)",
    ),
    "leaves out": (lambda m: with_template(m, "user<|end|>"), "leaves out what the user says"),
    "never ends": (
        lambda m: with_template(m, "{% for a in range(99999) %}" * 2 + "{% endfor %}" * 2),
        "loops",
    ),
    "vocabulary": (with_larger_vocabulary, f"the model's vocabulary has {VOCAB}"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_cannot_serve_leaves_the_old_bundle_as_it_was(
    name: str, old: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, words = DAMAGES[name]
    model = write_model(tmp_path / "bad")
    damage(model)
    capsys.readouterr()
    assert prepare(model, old.path, "--no-quality") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("edge-llm: the bundle could not serve and is not installed: ")
    assert words in line
    assert open_bundle(old.path).hash == old.hash
    assert list(old.path.parent.iterdir()) == [old.path]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(value: float, old: Bundle, tmp_path: Path) -> None:
    """Of a training that failed: int8 activations would hide it, and the model would say nonsense."""
    model = write_model(tmp_path / "bad")
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"][3] = value
    save_file(weights, model / "model.safetensors")
    with pytest.raises(SourceError, match=r"model\.norm\.weight has values that are no numbers"):
        prepare_bundle(open_source(str(model), tmp_path), old.path, "int8", Progress(quiet=True))
    assert open_bundle(old.path).hash == old.hash


@pytest.mark.parametrize("logits", [np.full((1, 1, VOCAB), np.nan), np.zeros((1, 1, VOCAB + 1))])
def test_a_model_that_gives_no_logits_cannot_serve(
    logits: NDArray[np.float64], old: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __init__(self, *_: object, **__: object) -> None: ...

        def forward(self, *_: object) -> NDArray[np.float64]:
            return logits

    monkeypatch.setattr("edge_llm.convert.trial.load_decoder", Broken)
    with pytest.raises(BundleError, match="gives no usable logits"):
        try_bundle(old)


def test_a_graph_that_fails_is_one_line(old: Bundle) -> None:
    """ONNX Runtime says much; its first line is enough."""
    manifest = Manifest(**{**old.manifest.model_dump(), "kv": {"layers": 3, "kv_heads": 2, "head_dim": 16}})
    with pytest.raises(BundleError, match="its model fails at a prompt") as caught:
        try_bundle(Bundle(old.path, manifest, old.hash))
    assert len(str(caught.value).splitlines()) == 1


def test_a_quality_that_cannot_be_measured_leaves_the_old_bundle_as_it_was(
    old: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(bundle: Bundle, *_: object) -> None:
        assert bundle.path != old.path
        assert bundle.path.parent == old.path.parent
        raise SourceError("a weight cannot be read")

    monkeypatch.setattr(verify, "verify_against_source", fail)
    assert prepare(write_model(tmp_path / "other", hidden=32), old.path) == 1
    assert open_bundle(old.path).hash == old.hash
    assert list(old.path.parent.iterdir()) == [old.path]


def resealed(bundle: Bundle, template: str) -> Bundle:
    """The bundle with another template, and checksums that fit it."""
    (bundle.path / CHAT_TEMPLATE).write_text(template)
    sums = {**bundle.manifest.sha256, CHAT_TEMPLATE: sha256_of(bundle.path / CHAT_TEMPLATE)}
    changed = bundle.manifest.model_copy(update={"sha256": sums})
    (bundle.path / MANIFEST).write_text(changed.model_dump_json())
    return open_bundle(bundle.path)


def test_check_and_verify_try_what_they_call_well(
    old: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "edge_llm.yaml"
    config.write_text(f"engine: {{bundle: {old.path}, context_tokens: 128}}\n")
    check = ["check", "--json", "--no-broker", "--config", str(config)]

    def checked() -> tuple[int, str]:
        capsys.readouterr()
        code = main(check)
        findings = json.loads(capsys.readouterr().out)["findings"]
        return code, next(finding["text"] for finding in findings if finding["part"] == "bundle")

    code, text = checked()
    assert code == 0
    assert text.endswith("every checksum fits, it answers")
    assert main(["verify", str(old.path)]) == 0
    resealed(old, ALTERNATING)
    code, text = checked()
    assert code == 1
    assert "one turn only" in text
    assert main(["verify", str(old.path)]) == 1


def test_check_takes_no_memory_that_is_not_there(
    old: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trial beside a running service must not end that."""
    monkeypatch.setattr("edge_llm.cli.commands.check.read_memory", lambda: {"available_bytes": 1000})
    monkeypatch.setattr("edge_llm.convert.trial.try_bundle", pytest.fail)
    config = tmp_path / "edge_llm.yaml"
    config.write_text(f"engine: {{bundle: {old.path}, context_tokens: 128}}\n")
    assert main(["check", "--no-broker", "--config", str(config)]) == 0
    assert "not tried" in capsys.readouterr().out


def test_a_bundle_made_before_goes_on_working(old: Bundle) -> None:
    """Without the names of special tokens and the places of ends."""
    raw = json.loads((old.path / MANIFEST).read_text())
    del raw["special_tokens"], raw["eos_sources"]
    write_json(old.path / MANIFEST, raw)
    bundle = open_bundle(old.path)
    assert bundle.manifest.special_tokens is None
    try_bundle(bundle)


def test_ends_outside_the_vocabulary_are_none(old: Bundle) -> None:
    manifest = Manifest(**{**old.manifest.model_dump(), "eos_token_ids": (2**32 - 1,)})
    with pytest.raises(BundleError, match="names no end token"):
        try_bundle(Bundle(old.path, manifest, old.hash))


def test_a_bundle_that_is_incomplete_is_not_installed(old: Bundle) -> None:
    with pytest.raises(BundleError, match="is damaged"), tried_bundle(old.path) as directory:
        (directory / MANIFEST).write_text("{}")
    assert open_bundle(old.path).hash == old.hash
    assert list(old.path.parent.iterdir()) == [old.path]


def test_a_trial_needs_nothing_of_the_extra() -> None:
    code = "import sys, edge_llm.cli.commands.check, edge_llm.cli.commands.verify; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"torch", "transformers", "onnx", "gguf", "tqdm", "optimum", "safetensors", "huggingface_hub"}
    assert heavy & set(loaded.split()) == set()
