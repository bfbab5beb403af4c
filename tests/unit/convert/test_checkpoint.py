"""Checkpoints of a calibration: whatever is in them or happens to them, the calibration goes on."""

from pathlib import Path

import numpy as np
import pytest

from edge_llm.convert.calibration.checkpoint import Checkpoint
from edge_llm.convert.quantize import quantize


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", b"[[1, 2", b'{"a": 1}', b"[[1.5]]", b"\xff"])
def test_a_damaged_checkpoint_begins_anew(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint(tmp_path / "out", "key")
    matrix = quantize(np.ones((4, 64), np.float32), 4)
    checkpoint.keep_text([[1, 2]])
    checkpoint.keep_matrix("q.0", matrix)
    (directory,) = tmp_path.iterdir()
    for name in ("text.json", "q.0.npz"):
        (directory / name).write_bytes(damage)
    assert checkpoint.text() == []
    assert checkpoint.matrix("q.0") is None
    assert [record.message.split()[0] for record in caplog.records] == 2 * ["checkpoint.damaged"]
    checkpoint.keep_text([[3]])
    checkpoint.keep_matrix("q.0", matrix)
    assert checkpoint.text() == [[3]]
    again = checkpoint.matrix("q.0")
    assert again
    np.testing.assert_array_equal(again.values, matrix.values)
    assert len(list(directory.glob("*.corrupt-*"))) == 2


def test_a_torn_matrix_is_made_again(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "out", "key")
    checkpoint.keep_matrix("q.0", quantize(np.ones((64, 64), np.float32), 4))
    (file,) = tmp_path.rglob("q.0.npz")
    raw = file.read_bytes()
    for torn in (raw[:-20], raw[:200] + bytes(50) + raw[250:]):
        file.write_bytes(torn)
        assert checkpoint.matrix("q.0") is None


def test_a_calibration_goes_on_without_checkpoints(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoint = Checkpoint(tmp_path / "plain" / "out", "key")
    (tmp_path / "plain").write_text("")
    checkpoint.keep_text([[1]])
    assert checkpoint.text() == []
    assert [record.message.split()[0] for record in caplog.records] == ["checkpoint.not_kept"]
