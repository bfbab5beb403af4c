"""Opens graphs from packed files, and makes these where there are none: weights are mapped, not copied.

They stand in ``packed/`` in the bundle's directory or, where that cannot be written, in the service's state
directory. They belong to one bundle, one version of ONNX Runtime and one kind of processor. Their checksums
are compared at each load, while ONNX Runtime loads the graph; the bundle's own when they are made.
"""

import errno
import fcntl
import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from mmap import ACCESS_READ, MADV_DONTNEED, MADV_HUGEPAGE, mmap
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge_llm.bundle import Bundle, verify_files
from edge_llm.engine.onnx import packing
from edge_llm.engine.onnx.packing import BLOBS, GRAPH, PAGE, BundleWeight
from edge_llm.errors import BundleError
from edge_llm.event_log import EventLog
from edge_llm.host.instructions import read_vector_flags
from edge_llm.host.memory import hold_in_huge_pages, make_mappings_read_only, release_free_memory
from edge_llm.host.systemd import state_directory
from edge_llm.state.file import words_of

log = EventLog(__name__)

FORMAT_VERSION = 2
_PACKED, _STAMP = "packed", "packed.json"


def open_packed(
    bundle: Bundle, graph_file: str, options: Callable[[], ort.SessionOptions]
) -> ort.InferenceSession | None:
    """Open the bundle's graph from packed files; None, with a log line, if they can be kept nowhere.

    ``options`` makes the options of a session; the session changes them.

    Raises:
        BundleError: the bundle's files do not match their checksums (looked at when packed files are made).
    """
    places = [place / Path(graph_file).stem for place in _places(bundle)]
    for number, place in enumerate(places):
        if session := _opened(place, bundle, options):
            for other in places[number + 1 :]:  # made before there were any in the better place
                shutil.rmtree(other, ignore_errors=True)
            return session
    problems = []
    for place in places:
        try:
            return _made(place, bundle, graph_file, options)
        except BundleError:
            raise
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no common base
            problems.append(f"{place}: {words_of(error)}")
    log.warning("packed.in_memory", graph=graph_file, reason="; ".join(problems))
    return None


def verify_weights(bundle: Bundle, names: Iterable[str]) -> None:
    """Compare large files of the bundle with their quick checksums, taken together with SHA-256 at packing.

    They find damage. Who could change a file on purpose could change its packed forms and the manifest, too,
    and SHA-256 would not tell either. It decides where nothing is packed, and where a quick one differs.

    Raises:
        BundleError: a file is missing or changed.
    """
    known: dict[str, int] = {}
    for stamp in _stamps(bundle):
        known |= stamp["bundle_checksums"]
    for name in names:
        with suppress(OSError, ValueError):  # missing, or empty
            if name in known and _checksum(bundle.path / name) == known[name]:
                continue
        verify_files(bundle, {name})


def hold_packed(bundle: Bundle, graph_file: str) -> None:
    """Hold the packed weights of an open graph in huge pages: see ``hold_in_huge_pages``.

    Raises:
        ConfigError: there is no memory for them.
    """
    for place in _places(bundle):
        hold_in_huge_pages(place / Path(graph_file).stem / BLOBS)


class _Session(ort.InferenceSession):  # type: ignore[misc]  # onnxruntime has no types
    """A session of a packed graph, with the weights that it reads from the bundle's own files."""

    def __init__(
        self, graph: Path, bundle: Path, weights: list[BundleWeight], options: ort.SessionOptions
    ) -> None:
        """Load ``graph`` with ``weights`` of the ``bundle``'s directory."""
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # they are done
        files = {weight.file: _mapped(bundle / weight.file) for weight in weights}
        # ONNX Runtime does not copy them: they live as long as the session.
        self._weights = [_value(weight, files[weight.file]) for weight in weights]
        for weight, value in zip(weights, self._weights, strict=True):
            options.add_initializer(weight.name, value)
        super().__init__(graph, options, providers=["CPUExecutionProvider"])
        for file in files.values():
            # Nearly all were only compared with their packed form: mlock would lock both.
            file.madvise(MADV_DONTNEED)


def _mapped(path: Path) -> mmap:
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _value(weight: BundleWeight, file: mmap) -> ort.OrtValue:
    flat = np.frombuffer(file, weight.dtype, math.prod(weight.shape), weight.offset)
    return ort.OrtValue.ortvalue_from_numpy(flat.reshape(weight.shape))


def _places(bundle: Bundle) -> Iterator[Path]:
    """Directories for packed files, the best first."""
    yield bundle.path / _PACKED
    if state := state_directory():
        yield state / _PACKED


def _key(bundle: Bundle) -> dict[str, Any]:
    """The bundle, ONNX Runtime and processor that packed files are made for."""
    return {
        "format_version": FORMAT_VERSION,
        "bundle": bundle.hash,
        "onnxruntime": ort.__version__,
        "processor": " ".join(read_vector_flags()),
    }


def _opened(
    place: Path, bundle: Bundle, options: Callable[[], ort.SessionOptions]
) -> ort.InferenceSession | None:
    """Open the packed files at ``place``; None if there are none or, with a log line, none of use."""
    try:
        with _locked(place.parent, fcntl.LOCK_SH):
            return _load(place, bundle, options())
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's have no common base
        log.warning("packed.unusable", directory=place, reason=words_of(error))
        return None


def _load(place: Path, bundle: Bundle, options: ort.SessionOptions) -> ort.InferenceSession:
    """Raises FileNotFoundError if there are no packed files, ValueError if they are damaged or foreign."""
    stamp = _read_stamp(place / _STAMP, bundle)
    sizes = {name: (place / name).stat().st_size for name in (GRAPH, BLOBS)}
    if sizes != stamp["sizes"] or _checksum(place / GRAPH) != stamp["checksums"][GRAPH]:
        raise ValueError("damaged")
    weights = [BundleWeight(**weight) for weight in stamp["weights"]]
    with ThreadPoolExecutor(1, "checksum") as pool:
        checksum = pool.submit(_checksum, place / BLOBS)
        session = _Session(place / GRAPH, bundle.path, weights, options)
        if checksum.result() != stamp["checksums"][BLOBS]:
            raise ValueError("damaged")
    make_mappings_read_only(place / BLOBS)
    return session


def _stamps(bundle: Bundle) -> Iterator[dict[str, Any]]:
    """The records of the packed files of this bundle that can be used."""
    for place in _places(bundle):
        for path in place.glob(f"*/{_STAMP}"):
            with suppress(Exception):
                yield _read_stamp(path, bundle)


def _read_stamp(path: Path, bundle: Bundle) -> dict[str, Any]:
    """Read the record of keys, sizes and checksums that ``_write`` left; ValueError if it is of no use."""
    sealed = json.loads(path.read_bytes())
    stamp: dict[str, Any] = sealed["stamp"]
    if zlib.crc32(json.dumps(stamp).encode()) != sealed["checksum"]:
        raise ValueError("damaged")
    if stamp["key"] != _key(bundle):
        raise ValueError("made for another bundle, ONNX Runtime or processor")
    return stamp


def _made(
    place: Path, bundle: Bundle, graph_file: str, options: Callable[[], ort.SessionOptions]
) -> ort.InferenceSession:
    """Make packed files at ``place`` and open them, or those that another process has made meanwhile."""
    place.parent.mkdir(exist_ok=True)
    place.parent.chmod(0o755)
    with _locked(place.parent, fcntl.LOCK_EX):
        with suppress(Exception):  # another process may have made them before the lock was ours
            return _load(place, bundle, options())
        began = monotonic()
        partial = place.with_name(f".{place.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
        try:
            partial.mkdir()
            _write(partial, bundle, graph_file, options())
            shutil.rmtree(place, ignore_errors=True)
            partial.rename(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        release_free_memory()  # of the session that packed
        mb = (place / BLOBS).stat().st_size // 10**6
        log.info("packed.made", directory=place, mb=mb, seconds=round(monotonic() - began, 1))
        return _load(place, bundle, options())


def _write(directory: Path, bundle: Bundle, graph_file: str, options: ort.SessionOptions) -> None:
    """Fill ``directory``. Nothing is flushed to the disk: what a power cut leaves is found to be damaged."""
    needed, free = packing.room_for(bundle.path / graph_file), shutil.disk_usage(directory).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{needed >> 20} MiB are needed for a moment, {free >> 20} are free")
    weights = packing.pack(bundle.path / graph_file, options, directory)
    files = {weight.file for weight in weights}
    # Before SHA-256: what changes in between is found at the next load.
    bundle_checksums = {name: _checksum(bundle.path / name) for name in sorted(files)}
    verify_files(bundle, {graph_file, *files})
    stamp = {
        "key": _key(bundle),
        "sizes": {name: (directory / name).stat().st_size for name in (GRAPH, BLOBS)},
        "checksums": {name: _checksum(directory / name) for name in (GRAPH, BLOBS)},
        "bundle_checksums": bundle_checksums,
        "weights": [asdict(weight) for weight in weights],
    }
    sealed = {"stamp": stamp, "checksum": zlib.crc32(json.dumps(stamp).encode())}
    (directory / _STAMP).write_text(json.dumps(sealed), encoding="utf-8")
    directory.chmod(0o755)
    for file in directory.iterdir():
        file.chmod(0o644)  # as the bundle's: whoever makes them need not be who serves them


def _checksum(path: Path) -> int:
    """CRC-32 of the sums of each page's 64-bit words. It finds damage, which is all that could be found.

    Faster than CRC-32 of the bytes, and as sure, but for words that change places within a page.
    What is not in the page cache comes in huge pages, where kernel and file system have them for files.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        with suppress(OSError):
            content.madvise(MADV_HUGEPAGE)
        whole = len(content) // PAGE
        return zlib.crc32(content[whole * PAGE :], zlib.crc32(_page_sums(content, whole)))


def _page_sums(content: mmap, pages: int) -> bytes:
    words = np.frombuffer(content, np.uint64, pages * PAGE // 8).reshape(pages, PAGE // 8)
    sums: NDArray[np.uint64] = words.sum(axis=1)
    return sums.tobytes()


@contextmanager
def _locked(directory: Path, operation: int) -> Iterator[None]:
    """Hold flock(2) on a directory: packed files are not replaced while they are loaded, nor made twice."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)
