"""Checkpoints of a calibration: files beside the future bundle, from which an interrupted run continues."""

import hashlib
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from edge_llm.convert.quantize import QuantizedMatrix

_TEXT = "text.json"
_PATTERN = ".{}.calibration-{}"


class Checkpoint:
    """A hidden directory of files, each written completely or not at all."""

    def __init__(self, out: Path, key: object) -> None:
        """Name the directory beside ``out`` by ``key``: all that the result depends on."""
        digest = hashlib.sha256(repr(key).encode()).hexdigest()
        self._path = out.with_name(_PATTERN.format(out.name, digest[:16]))

    def text(self) -> list[list[int]]:
        """Return the conversations that have been generated."""
        file = self._path / _TEXT
        try:
            conversations: list[list[int]] = json.loads(file.read_text())
        except (OSError, ValueError):  # none yet, or torn by a power cut
            return []
        return conversations

    def keep_text(self, conversations: list[list[int]]) -> None:
        """Keep ``conversations``: all that have been generated so far."""
        self._keep(_TEXT, lambda file: file.write_text(json.dumps(conversations)))

    def matrix(self, name: str) -> QuantizedMatrix | None:
        """Return the matrix ``name``, or None if it is not done, or its file is damaged."""
        try:
            with (self._path / f"{name}.npz").open("rb") as file, np.load(file) as parts:
                return QuantizedMatrix(4, parts["values"], parts["scales"], parts["zero_points"])
        except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error):
            return None

    def keep_matrix(self, name: str, matrix: QuantizedMatrix) -> None:
        """Keep the 4-bit ``matrix``."""
        zero_points = matrix.zero_points
        assert zero_points is not None

        def write(file: Path) -> None:
            with file.open("wb") as opened:
                np.savez(opened, values=matrix.values, scales=matrix.scales, zero_points=zero_points)

        self._keep(f"{name}.npz", write)

    def _keep(self, name: str, write: Callable[[Path], object]) -> None:
        self._path.mkdir(exist_ok=True)
        partial = self._path / f"{name}.partial"
        write(partial)
        partial.replace(self._path / name)


def remove_checkpoints(out: Path) -> None:
    """Remove the checkpoints of all calibrations for a bundle at ``out``."""
    for directory in out.parent.glob(_PATTERN.format(out.name, "*")):
        shutil.rmtree(directory)
