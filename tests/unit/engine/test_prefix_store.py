"""Files of pinned prefixes: what is damaged or of another bundle is left alone, with a line each."""

from pathlib import Path

import numpy as np
import pytest

from edge_llm.engine.prefix_store import PrefixStore


def test_corrupt_and_foreign_prefix_files_are_ignored_with_a_line_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shape = (4, 2, 8)
    good = PrefixStore(tmp_path, "mine", shape, 10**9)
    kv = np.random.default_rng(0).normal(size=(4, 2, 5, 8)).astype(np.float32)
    good.save([1, 2, 3, 4, 5], kv)
    good.save([9, 8, 7, 6, 5], kv)
    PrefixStore(tmp_path, "another bundle's", shape, 10**9).save([7, 7], kv[:, :, :2])
    corrupt = min(tmp_path.glob("*.prefix"), key=lambda path: path.stat().st_mtime)
    raw = bytearray(corrupt.read_bytes())
    raw[-1] ^= 1
    corrupt.write_bytes(raw)
    (tmp_path / "empty.prefix").write_bytes(b"")
    loaded = list(good.load())
    assert [ids for ids, _ in loaded] == [[9, 8, 7, 6, 5]]
    np.testing.assert_array_equal(loaded[0][1], kv)
    assert [record.message.split()[0] for record in caplog.records] == 3 * ["prefix_store.ignored"]
    PrefixStore(tmp_path, "mine", shape, 0)._make_room()
    assert list(tmp_path.iterdir()) == []
