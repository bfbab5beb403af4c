"""The demo model from packed files: the same logits, in memory that is the page cache's."""

from pathlib import Path

import numpy as np

from edge_llm.bundle import MODEL_DATA, Bundle
from edge_llm.config import EngineSettings
from edge_llm.engine.decoder import load_decoder, warm_up
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.loading import LoadingModel
from edge_llm.host.memory import release_free_memory


def anonymous_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not count it")


def mapped_bytes(path: Path) -> tuple[int, int]:
    """Resident bytes of the mappings of a file, and those of them that are this process's own."""
    resident = own = 0
    here = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *fields = line.split()
        if "-" in name and not name.endswith(":"):
            here = line.endswith(str(path))
        elif here and name in ("Rss:", "Anonymous:"):
            resident += int(fields[0]) * 1024 * (name == "Rss:")
            own += int(fields[0]) * 1024 * (name == "Anonymous:")
    return resident, own


def test_packed_weights_are_mapped_and_change_no_bit(int8: Bundle) -> None:
    weights = (int8.path / MODEL_DATA).stat().st_size
    release_free_memory()
    before = anonymous_bytes()
    packed = load_decoder(int8, KVCache(int8.manifest.kv, 1, 64), packed=True)
    warm_up(packed)
    release_free_memory()
    assert anonymous_bytes() - before < 0.2 * weights
    blobs = int8.path / "packed/model/blobs.bin"
    stored = blobs.stat().st_blocks * 512
    resident, own = mapped_bytes(blobs)
    assert resident > 0.95 * stored
    assert own == 0
    assert weights + stored < 2.2 * weights
    # What was only read to be compared with its packed form is mapped no longer.
    assert mapped_bytes(int8.path / MODEL_DATA)[0] < 0.5 * weights
    plain = load_decoder(int8, KVCache(int8.manifest.kv, 1, 64))
    for ids in ([[5, 6, 7, 8, 9, 10, 11]], [[42]], [[7, 3, 1]]):
        expected = plain.forward([0], np.array(ids), 1).copy()
        np.testing.assert_array_equal(expected, packed.forward([0], np.array(ids), 1))


def test_weights_held_for_mlock_are_memory_of_its_own_and_change_no_bit(int8: Bundle) -> None:
    plain = load_decoder(int8, KVCache(int8.manifest.kv, 1, 64))
    mapped = load_decoder(int8, KVCache(int8.manifest.kv, 1, 64), packed=True)
    blobs = int8.path / "packed/model/blobs.bin"
    before, own_before = mapped_bytes(blobs)[0], anonymous_bytes()
    settings = EngineSettings(bundle=int8.path, mlock=True, inference_cores="none", context_tokens=64)
    model = LoadingModel(int8, settings)
    held = model.ready()
    model.huge_pages.stop()
    if "[never]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text():
        assert mapped_bytes(blobs)[0] >= before
    else:
        assert mapped_bytes(blobs)[0] == 0
        assert anonymous_bytes() - own_before >= 0.95 * before
    for ids in ([[5, 6, 7, 8, 9, 10, 11]], [[42]], [[7, 3, 1]]):
        expected = plain.forward([0], np.array(ids), 1).copy()
        for decoder in (held, mapped):
            np.testing.assert_array_equal(expected, decoder.forward([0], np.array(ids), 1))
