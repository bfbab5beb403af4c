"""A warm engine begins as a cold one does."""

from pathlib import Path

import numpy as np

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
