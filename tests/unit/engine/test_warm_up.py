"""A warm engine begins as a cold one does, and what it may need takes no memory yet."""

import re
from pathlib import Path

import numpy as np

from edge_llm.bundle import KvGeometry
from edge_llm.convert.prepare import prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.engine.decoder import load_decoder, warm_up
from edge_llm.engine.kv_cache import KVCache
from tests.tiny_model import write_model


def test_warming_up_changes_no_logits(tmp_path: Path) -> None:
    """Nor does it need more room than a context shorter than a chunk of a prompt has."""
    source = open_source(str(write_model(tmp_path / "model")), tmp_path)
    bundle = prepare_bundle(source, tmp_path / "bundle", "int8", Progress(quiet=True))
    ids = np.array([[5, 6, 7]], dtype=np.int64)
    logits = []
    for is_warm in (False, True):
        decoder = load_decoder(bundle, KVCache(bundle.manifest.kv, slots=1, capacity=16), threads=1)
        if is_warm:
            warm_up(decoder)
            assert decoder.cache.length(0) == 0
        logits.append(decoder.forward(range(1), ids, 1).copy())
    cold, warm = logits
    np.testing.assert_array_equal(cold, warm)


def test_a_pool_takes_memory_where_tokens_are_and_nowhere_else() -> None:
    """Two contexts of 8,192 tokens of a model of 0.5 B parameters, 403 MB, and a short prompt in one."""
    before = own_memory()
    cache = KVCache(KvGeometry(layers=24, kv_heads=2, head_dim=64), slots=2, capacity=8192)
    empty = own_memory() - before
    cache.load(1, [np.ones((48, 2, 20, 64), np.float32)])
    assert cache.bytes > 400e6
    assert empty < 2e6
    assert own_memory() - before < 6e6
    assert cache.read(1, 19, 20).min() == 1
    assert not any(array[0, :, 100].any() for array in cache.arrays)


def own_memory() -> int:
    """This process's memory that no file stands behind, in bytes."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return 1024 * int(found[1])
