"""Packed files of a tiny model: made once, made anew where they are not what they should be, done without."""

import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge_llm.bundle import MODEL, MODEL_DATA, Bundle, open_bundle
from edge_llm.convert.prepare import prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx import packing
from edge_llm.engine.onnx.graph_file import GraphFile
from edge_llm.engine.onnx.packed import _checksum, verify_weights
from edge_llm.engine.onnx.protobuf import encode, parse
from edge_llm.errors import BundleError
from tests.tiny_model import write_model

FILES = "graph.onnx", "blobs.bin", "packed.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    source = open_source(str(write_model(path / "model", "qwen2", tie_word_embeddings=True)), path)
    return prepare_bundle(source, path / "bundle", "int8", Progress(quiet=True), prefill=False).path


@pytest.fixture
def both(tmp_path: Path) -> Bundle:
    """A bundle with a prefill graph."""
    source = open_source(str(write_model(tmp_path / "model", "qwen2")), tmp_path)
    return prepare_bundle(source, tmp_path / "both", "int8", Progress(quiet=True))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Bundle:
    return open_bundle(shutil.copytree(made, tmp_path / "bundle"))


@pytest.fixture
def bare(bundle: Bundle) -> Bundle:
    """The bundle without packed files."""
    shutil.rmtree(bundle.path / "packed")
    return bundle


def logits(bundle: Bundle, *, packed: bool = True) -> NDArray[np.float32]:
    decoder = load_decoder(bundle, KVCache(bundle.manifest.kv, 1, 16), threads=1, packed=packed)
    return decoder.forward([0], np.array([[5, 6, 7]]), 1).copy()


def inode(directory: Path) -> int:
    return (directory / "model" / "blobs.bin").stat().st_ino


def refuse(path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no directory be made at ``path``: a file system mounted read-only, which tests cannot do."""
    mkdir = os.mkdir

    def refusing(name: Any, *rest: Any) -> None:
        if Path(name) == path:
            raise OSError(code, os.strerror(code))
        mkdir(name, *rest)

    monkeypatch.setattr(os, "mkdir", refusing)


def test_prepare_packs_and_a_load_reuses_it_with_the_same_logits(bundle: Bundle) -> None:
    directory = bundle.path / "packed"
    assert {path.name for path in (directory / "model").iterdir()} == {*FILES}
    before = inode(directory)
    np.testing.assert_array_equal(logits(bundle, packed=False), logits(bundle))
    assert inode(directory) == before


def test_each_graph_has_packed_files_of_its_own(both: Bundle) -> None:
    assert {path.name for path in (both.path / "packed").iterdir()} == {"model", "prefill"}
    pools = []
    for packed in (True, False):
        decoder = load_decoder(both, KVCache(both.manifest.kv, 1, 64), threads=1, packed=packed)
        decoder.forward([0], np.arange(2, 42)[None], 0)
        pools.append(decoder.cache.read(0, 0, 40))
    packed_pool, plain = pools
    np.testing.assert_array_equal(packed_pool, plain)


@pytest.mark.parametrize("packed", [True, False])
def test_where_products_saturate_the_prefill_graph_has_other_weights_and_the_same_result(
    packed: bool,  # noqa: FBT001 - a parameter of the test
    both: Bundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pool() -> NDArray[np.float32]:
        decoder = load_decoder(both, KVCache(both.manifest.kv, 1, 64), threads=1, packed=packed)
        assert decoder.prefills_apart
        decoder.forward([0], np.arange(2, 42)[None], 0)
        return decoder.cache.read(0, 0, 40)

    here = pool()
    for name in ("decoder", "onnx.session"):
        monkeypatch.setattr(f"edge_llm.engine.{name}.read_flags", lambda: frozenset({"avx2"}))
    monkeypatch.setattr("edge_llm.engine.onnx.packed.read_vector_flags", lambda: ("avx2",))
    np.testing.assert_array_equal(here, pool())
    if packed:
        np.testing.assert_array_equal(here, pool())  # from the files that were made just now
        weights = GraphFile((both.path / "packed/prefill/graph.onnx").read_bytes()).weights()
        assert 3 not in {weight.dtype for weight in weights}  # int8


def test_only_packed_forms_are_stored_and_the_bundle_has_the_rest(bundle: Bundle) -> None:
    stamp = json.loads((bundle.path / "packed/model/packed.json").read_text())
    names = {weight["name"] for weight in stamp["stamp"]["weights"]}
    assert {"embedding.values.rows", "gate_up.0.values"} <= names
    blobs = (bundle.path / "packed/model/blobs.bin").stat()
    weights = GraphFile((bundle.path / "packed/model/graph.onnx").read_bytes()).weights()
    pages = 4096 * sum(len(weight.blobs) for weight in weights)  # each begins on one
    assert blobs.st_blocks * 512 < 1.3 * (bundle.path / MODEL_DATA).stat().st_size + pages


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_damaged_files_are_made_anew(
    bundle: Bundle, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected, path = logits(bundle, packed=False), bundle.path / "packed/model" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage != "missing":
        path.write_bytes(content if damage == "flipped" else content[: len(content) // 2])
    caplog.set_level("INFO")
    np.testing.assert_array_equal(expected, logits(bundle))
    events = [record.getMessage().split()[0] for record in caplog.records]
    assert events == ([] if damage == "missing" else ["packed.unusable"]) + ["packed.made"]
    caplog.clear()
    np.testing.assert_array_equal(expected, logits(bundle))
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "value"),
    [("read_vector_flags", lambda: ("avx2", "fma")), ("ort.__version__", "1.0.0"), ("FORMAT_VERSION", 0)],
)
def test_files_of_another_processor_or_version_are_made_anew(
    bundle: Bundle, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = bundle.path / "packed/model/packed.json"
    before = json.loads(stamp.read_text())["stamp"]["key"]
    monkeypatch.setattr(f"edge_llm.engine.onnx.packed.{name}", value)
    np.testing.assert_array_equal(logits(bundle, packed=False), logits(bundle))
    assert json.loads(stamp.read_text())["stamp"]["key"] != before


def test_another_bundle_at_the_same_path_takes_the_files_of_the_old_one_with_it(
    bundle: Bundle, tmp_path: Path
) -> None:
    source = open_source(str(write_model(tmp_path / "model", "llama")), tmp_path)
    newer = prepare_bundle(source, bundle.path, "int8", Progress(quiet=True))
    key = json.loads((newer.path / "packed/model/packed.json").read_text())["stamp"]["key"]
    assert key["bundle"] == newer.hash != bundle.hash
    assert list(tmp_path.glob(".*")) == []


def test_a_bundle_that_cannot_be_written_is_packed_in_the_state_directory(
    bare: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And from there it is removed when the bundle has its own."""
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", f"{state}:/elsewhere")
    with monkeypatch.context() as context:
        refuse(bare.path / "packed", errno.EROFS, context)
        np.testing.assert_array_equal(logits(bare, packed=False), logits(bare))
        before = inode(state / "packed")
        logits(bare)
        assert inode(state / "packed") == before
    assert not caplog.records
    monkeypatch.delenv("STATE_DIRECTORY")
    logits(bare)
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    logits(bare)
    assert not (state / "packed/model").exists()


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_where_nothing_can_be_written_it_is_packed_in_memory_with_one_log_line(
    bare: Bundle, code: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(
        bare.path / "packed" if code != errno.ENOSPC else bare.path / "packed/.model.partial",
        code,
        monkeypatch,
    )
    np.testing.assert_array_equal(logits(bare, packed=False), logits(bare))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("packed.in_memory")
    assert os.strerror(code) in record.getMessage()


def test_a_disk_without_room_is_not_filled_up(
    bare: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(packing, "room_for", lambda _source: 1 << 60)
    monkeypatch.setattr(packing, "pack", pytest.fail)
    logits(bare)
    (record,) = caplog.records
    assert "MiB are needed for a moment" in record.getMessage()
    assert list((bare.path / "packed").iterdir()) == []


def test_a_disk_that_gets_full_leaves_nothing_behind(
    bare: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pack = packing.pack

    def fill(*arguments: Any) -> Any:
        pack(*arguments)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packing, "pack", fill)
    logits(bare)
    assert list((bare.path / "packed").iterdir()) == []
    assert len(caplog.records) == 1


def test_two_that_begin_at_once_pack_once(bare: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is one of file descriptions: between two threads it is as between two processes."""
    packed, pack = [], packing.pack

    def counted(source: Path, *rest: Any) -> Any:
        packed.append(source)
        return pack(source, *rest)

    monkeypatch.setattr(packing, "pack", counted)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: logits(bare), range(2))
    np.testing.assert_array_equal(one, other)
    assert packed == [bare.path / MODEL]


def test_what_a_killed_process_left_is_replaced(bare: Bundle) -> None:
    partial = bare.path / "packed/.model.partial"
    partial.mkdir(parents=True)
    (partial / "saved.data").write_bytes(b"half")
    logits(bare)
    assert [path.name for path in (bare.path / "packed").iterdir()] == ["model"]


def test_damaged_weights_of_the_bundle_are_not_packed(bare: Bundle) -> None:
    data = bytearray((bare.path / MODEL_DATA).read_bytes())
    data[-1] ^= 1
    (bare.path / MODEL_DATA).write_bytes(data)
    with pytest.raises(BundleError, match="does not match its checksum"):
        logits(bare)
    assert list((bare.path / "packed").iterdir()) == []


def test_packed_weights_are_verified_without_sha_256(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_llm.engine.onnx.packed.verify_files", pytest.fail)
    verify_weights(bundle, {MODEL_DATA})


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "missing"])
@pytest.mark.parametrize("is_packed", [True, False])
def test_damaged_weights_of_the_bundle_are_found(
    bundle: Bundle,
    damage: str,
    is_packed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if not is_packed:
        shutil.rmtree(bundle.path / "packed")
    verify_weights(bundle, {MODEL_DATA})
    path = bundle.path / MODEL_DATA
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes({"flipped": flipped, "cut": content[:-1], "empty": b""}[damage])
    with pytest.raises(BundleError, match=f"{MODEL_DATA}.* prepare it again"):
        verify_weights(bundle, {MODEL_DATA})


def test_the_quick_checksum_depends_on_every_byte_and_on_the_order_of_pages(tmp_path: Path) -> None:
    path = tmp_path / "weights"

    def checksum_of(content: bytes) -> int:
        path.write_bytes(content)
        return _checksum(path)

    one, other, rest = np.random.default_rng(1).bytes(4096), bytes(4096), b"rest"
    content = one + other + rest
    changed = [other + one + rest, one + one + rest, one + rest, content[:-1], content + b"\0"]
    for place in (0, 4095, 4096, 8191, 8192, 8195):
        flipped = bytearray(content)
        flipped[place] ^= 128
        changed.append(bytes(flipped))
    assert len({checksum_of(each) for each in (content, *changed)}) == 1 + len(changed)
    assert checksum_of(content) == checksum_of(content)


def test_the_reader_of_onnx_files_agrees_with_the_onnx_package(bundle: Bundle) -> None:
    raw = (bundle.path / MODEL).read_bytes()
    assert encode(parse(raw)) == raw
    tensors = onnx.load(bundle.path / MODEL, load_external_data=False).graph.initializer
    expected = {
        (tensor.name, tensor.data_type, tuple(tensor.dims), int(place["offset"]), int(place["length"]))
        for tensor in tensors
        if (place := {entry.key: entry.value for entry in tensor.external_data})
    }
    found = {(w.name, w.dtype, w.shape, w.offset, w.bytes) for w in GraphFile(raw).weights()}
    assert found == expected


@pytest.mark.parametrize("end", [1, 2, 5, 100])
def test_a_file_that_is_cut_off_is_refused(bundle: Bundle, end: int) -> None:
    raw = (bundle.path / MODEL).read_bytes()
    with pytest.raises(ValueError, match=r"cut off|one graph"):
        GraphFile(raw[:-end])
