"""Checkpoints of a calibration: files beside the future bundle, from which an interrupted run continues.

A damaged one is moved aside and made again; one that cannot be written is done without.
"""

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import TypeAdapter

from edge_llm.convert.quantize import QuantizedMatrix
from edge_llm.event_log import EventLog
from edge_llm.state.aside import move_aside
from edge_llm.state.file import words_of

log = EventLog(__name__)

Content = TypeVar("Content")
_Conversations = TypeAdapter(list[list[int]])
_DAMAGE = ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error
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
        return self._find(_TEXT, lambda file: _Conversations.validate_json(file.read_bytes())) or []

    def keep_text(self, conversations: list[list[int]]) -> None:
        """Keep ``conversations``: all that have been generated so far."""
        self._keep(_TEXT, lambda file: file.write_text(json.dumps(conversations)))

    def matrix(self, name: str) -> QuantizedMatrix | None:
        """Return the matrix ``name``, or None if it is not done."""

        def read(file: Path) -> QuantizedMatrix:
            with file.open("rb") as opened, np.load(opened) as parts:
                return QuantizedMatrix(4, parts["values"], parts["scales"], parts["zero_points"])

        return self._find(f"{name}.npz", read)

    def keep_matrix(self, name: str, matrix: QuantizedMatrix) -> None:
        """Keep the 4-bit ``matrix``."""
        zero_points = matrix.zero_points
        assert zero_points is not None

        def write(file: Path) -> None:
            with file.open("wb") as opened:
                np.savez(opened, values=matrix.values, scales=matrix.scales, zero_points=zero_points)

        self._keep(f"{name}.npz", write)

    def _find(self, name: str, read: Callable[[Path], Content]) -> Content | None:
        file = self._path / name
        try:
            return read(file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (*_DAMAGE, OSError) as error:
            log.warning("checkpoint.damaged", file=name, reason=next(iter(words_of(error).splitlines()), ""))
        try:
            move_aside(file)
        except OSError as error:
            log.warning("checkpoint.not_moved", file=name, reason=words_of(error))
        return None

    def _keep(self, name: str, write: Callable[[Path], object]) -> None:
        try:
            self._path.mkdir(exist_ok=True)
            partial = self._path / f"{name}.partial"
            write(partial)
            partial.replace(self._path / name)
        except OSError as error:  # the calibration goes on; only an interrupted one begins anew
            log.warning("checkpoint.not_kept", file=name, reason=words_of(error))


def remove_checkpoints(out: Path) -> None:
    """Remove the checkpoints of all calibrations for a bundle at ``out``."""
    for directory in out.parent.glob(_PATTERN.format(out.name, "*")):
        shutil.rmtree(directory, ignore_errors=True)
