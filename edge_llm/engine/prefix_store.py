"""Pinned prefixes on disk: one file each, written by a thread of the store's, mapped into memory at start.

A file holds a line of JSON (what it is, and the SHA-256 of the rest), the token ids (int64) and the keys and
values (float32), each from a page of its own on. It belongs to one bundle: another one's is left alone, with
a log line. A damaged one is moved aside.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_llm.event_log import EventLog
from edge_llm.host.pinning import pin_this_thread
from edge_llm.state.aside import move_aside
from edge_llm.state.file import find_directory_problem, words_of

log = EventLog(__name__)

Result = TypeVar("Result")

FORMAT_VERSION = 1
_PAGE = 4096
_SUFFIX = ".prefix"
_PARTIAL = ".partial"


class _ForeignError(ValueError):
    """The file is intact, but of another bundle or version."""


class PrefixStore:
    """The prefixes of one bundle in a directory; the oldest go when ``budget_bytes`` are spent."""

    def __init__(
        self, directory: Path, bundle_hash: str, shape: tuple[int, int, int], budget_bytes: int
    ) -> None:
        """``shape`` is (2 * layers, kv_heads, head_dim) of the keys and values."""
        self._directory = directory
        self._bundle_hash = bundle_hash
        self._shape = shape
        self._budget_bytes = budget_bytes
        # Not bound to the core of the thread that saves, which is the engine's.
        self._writer = ThreadPoolExecutor(1, "prefix-store", pin_this_thread, tuple(os.sched_getaffinity(0)))
        self._writing: Future[None] | None = None
        self.problem: str | None = None
        """Reason why prefixes are not kept over a restart; None if they are."""

    def save(self, ids: Sequence[int], kv: NDArray[np.float32]) -> None:
        """Begin to write ``ids`` and their ``kv`` ``[2 * layers, kv_heads, len(ids), head_dim]``.

        Waits for the one before. ``problem`` says what went wrong.
        """
        self.flush()
        self._writing = self._writer.submit(self._save, ids, kv)

    def flush(self) -> None:
        """Wait until what was saved is on disk."""
        if self._writing:
            self._writing.result()

    def stop(self) -> None:
        """Write what was saved, and end the thread."""
        self._writer.shutdown()

    def _save(self, ids: Sequence[int], kv: NDArray[np.float32]) -> None:
        tokens = np.array(ids, dtype=np.int64)
        path = self._directory / f"{hashlib.sha256(tokens.tobytes()).hexdigest()[:24]}{_SUFFIX}"
        partial = path.with_suffix(_PARTIAL)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if path.exists() and self._find(path):
                path.touch()  # the last to go
            else:
                self._write(partial, tokens, kv)
                partial.rename(path)
            self._make_room()
        except OSError as error:
            _try(partial.unlink)  # it takes space, where there may be none
            log.warning("prefix_store.not_saved", directory=self._directory, reason=error.strerror)
            self.problem = f"{self._directory}: {words_of(error)}"
        else:
            self.problem = None

    def _write(self, path: Path, ids: NDArray[np.int64], kv: NDArray[np.float32]) -> None:
        header = {"v": FORMAT_VERSION, "bundle": self._bundle_hash, "tokens": len(ids)}
        with path.open("wb") as file:
            file.write(json.dumps(header | {"sha256": _digest(ids, kv)}).encode().ljust(_PAGE - 1) + b"\n")
            file.write(ids.tobytes().ljust(_padded(ids.nbytes), b"\0"))
            file.write(np.ascontiguousarray(kv).data)
            os.fsync(file.fileno())

    def load(self) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Every prefix that fits this bundle, latest saved last, mapped from the file; never raises."""
        self.problem = find_directory_problem(self._directory)
        if self.problem:
            log.warning("prefix_store.unusable", reason=self.problem)
        try:
            paths = sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime)
        except OSError:  # it is made by the first ``save``, or the line above says why not
            return
        for path in paths:
            if path.suffix == _PARTIAL:  # of a process that was killed while it wrote
                _try(path.unlink)
            elif path.suffix == _SUFFIX and (found := self._find(path)):
                yield found

    def _find(self, path: Path) -> tuple[list[int], NDArray[np.float32]] | None:
        """Read one file; None, with a log line, if it is another bundle's, damaged, or cannot be read."""
        try:
            return self._read(path)
        except (_ForeignError, OSError) as error:
            log.warning("prefix_store.ignored", file=path.name, reason=words_of(error))
        except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError) as error:
            kept = _try(lambda: move_aside(path).name)
            log.warning("prefix_store.damaged", file=path.name, kept_as=kept, reason=str(error))
        return None

    def _read(self, path: Path) -> tuple[list[int], NDArray[np.float32]]:
        with path.open("rb") as file:
            header = json.loads(file.read(_PAGE))
        if (header["v"], header["bundle"]) != (FORMAT_VERSION, self._bundle_hash):
            raise _ForeignError("it belongs to another bundle or version")
        parts, kv_heads, head_dim = self._shape
        tokens = int(header["tokens"])
        start = _PAGE + _padded(8 * tokens)
        if tokens < 1 or path.stat().st_size != start + 4 * parts * kv_heads * tokens * head_dim:
            raise ValueError("its size does not fit")
        ids = np.fromfile(path, np.int64, tokens, offset=_PAGE)
        kv: NDArray[np.float32] = np.memmap(path, np.float32, "r", start, (parts, kv_heads, tokens, head_dim))
        if _digest(ids, kv) != header["sha256"]:
            raise ValueError("its checksum does not fit")
        return ids.tolist(), kv

    def _make_room(self) -> None:
        files = sorted(self._directory.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        excess = sum(path.stat().st_size for path in files) - self._budget_bytes
        for path in files:
            if excess <= 0:
                return
            excess -= path.stat().st_size
            path.unlink()


def _try(act: Callable[[], Result]) -> Result | None:
    """Return the result of ``act``; None after an OSError."""
    try:
        return act()
    except OSError:
        return None


def _padded(size: int) -> int:
    return size + -size % _PAGE


def _digest(ids: NDArray[np.int64], kv: NDArray[np.float32]) -> str:
    digest = hashlib.sha256(ids.tobytes())
    digest.update(np.ascontiguousarray(kv).data)
    return digest.hexdigest()
