"""Makes the packed files of a graph: its weights as this processor's kernels want them, to be mapped.

ONNX Runtime writes each weight twice, as it was and packed (a *blob*). At each load it packs the first again,
and where the hash of what comes out is a blob's key it takes the blob from the file and drops its own. So the
packed files need the blobs alone: the weights as they were are in the bundle. ONNX Runtime reads the blobs
that stand at a weight only where it reads that weight from a file, too; but it finds them by key alone, so
all of them stand at one small weight, the carrier.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BufferedReader, BufferedWriter
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge_llm.engine.onnx.graph_file import Blob, GraphFile, StoredWeight

GRAPH, BLOBS = "graph.onnx", "blobs.bin"
DTYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 10: "float16"}
"""numpy's names of the types that a weight of the bundle may have, by their numbers in ONNX."""
PAGE, _HUGE_PAGE = 1 << 12, 1 << 21
"""Blobs begin on pages, as memory of ONNX Runtime's would: what they hold is aligned to their beginning.
Large ones begin on huge pages, for kernels that map files in these."""
_ROOM = 3.5
"""In sizes of the weights: packed ones are up to a quarter larger."""
_SAVED, _SAVED_DATA = "saved.onnx", "saved.data"


@dataclass(frozen=True)
class BundleWeight:
    """A weight that a packed graph takes from one of the bundle's files."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str
    offset: int


def pack(source: Path, options: ort.SessionOptions, directory: Path) -> list[BundleWeight]:
    """Write GRAPH and BLOBS of the graph at ``source`` into ``directory``; it is loaded once for that.

    ``options`` are those of the graph's sessions, for this call alone.

    Raises:
        OSError: the files cannot be written.
        ValueError: ONNX Runtime wrote something else than is known here.
    """
    saved, saved_data = directory / _SAVED, directory / _SAVED_DATA
    _save(source, options, saved)
    graph = GraphFile(saved.read_bytes())
    weights = sorted(graph.weights(), key=lambda weight: weight.bytes)
    originals = {weight.name: weight for weight in GraphFile(source.read_bytes()).weights()}
    shared = [weight for weight in weights if _same(weight, saved_data, originals.get(weight.name), source)]
    if shared and len(shared) == len(weights):
        del shared[0]  # one has to be read from BLOBS, to carry them
    names = {weight.name for weight in shared}
    with saved_data.open("rb") as data, (directory / BLOBS).open("wb") as out:
        places = dict(_written(weights, names, data, out))
    (directory / GRAPH).write_bytes(graph.placed(places))
    saved.unlink()
    saved_data.unlink()
    return [
        BundleWeight(
            name=weight.name,
            dtype=DTYPES[weight.dtype],
            shape=weight.shape,
            file=originals[weight.name].file,
            offset=originals[weight.name].offset,
        )
        for weight in shared
    ]


def room_for(source: Path) -> int:
    """Bytes of disk that ``pack`` needs while it works: weights as they are, and twice their packed forms."""
    return int(_ROOM * sum(weight.bytes for weight in GraphFile(source.read_bytes()).weights()))


def _save(source: Path, options: ort.SessionOptions, path: Path) -> None:
    """Let ONNX Runtime write what it makes of the graph, weights of a page and more beside it."""
    options.optimized_model_filepath = str(path)
    prefix = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{prefix}_file_name", _SAVED_DATA)
    options.add_session_config_entry(f"{prefix}_min_size_in_bytes", str(PAGE))
    options.add_session_config_entry("session.save_external_prepacked_constant_initializers", "1")
    ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _same(weight: StoredWeight, file: Path, original: StoredWeight | None, source: Path) -> bool:
    """Return whether the weight in ``file`` has the bytes that the bundle has under its name."""
    if not original or weight.dtype not in DTYPES:
        return False
    if (weight.dtype, weight.shape, weight.bytes) != (original.dtype, original.shape, original.bytes):
        return False
    bundled = np.memmap(source.parent / original.file, np.uint8, "r", original.offset, (original.bytes,))
    return np.array_equal(np.memmap(file, np.uint8, "r", weight.offset, (weight.bytes,)), bundled)


def _written(
    weights: list[StoredWeight], shared: set[str], data: BufferedReader, out: BufferedWriter
) -> Iterator[tuple[str, StoredWeight]]:
    """Copy to ``out`` all blobs, and the weights that are not ``shared``; yields names and new places."""
    blobs = tuple(
        Blob(blob.key, tuple((_copy(data, offset, size, out), size) for offset, size in blob.places))
        for blob in {blob.key: blob for weight in weights for blob in weight.blobs}.values()
    )
    for weight in weights:
        if weight.name in shared:
            # Its data are given to the session apart; the place is one that exists.
            yield weight.name, replace(weight, file=BLOBS, offset=0, blobs=())
        else:
            offset = _copy(data, weight.offset, weight.bytes, out)
            yield weight.name, replace(weight, file=BLOBS, offset=offset, blobs=blobs)
            blobs = ()


def _copy(data: BufferedReader, offset: int, size: int, out: BufferedWriter) -> int:
    """Copy bytes to the next page of ``out``, over a hole; returns their offset there."""
    place = out.seek(-out.tell() % (_HUGE_PAGE if size >= _HUGE_PAGE else PAGE), os.SEEK_CUR)
    data.seek(offset)
    if out.write(data.read(size)) != size:
        raise OSError("ONNX Runtime could not write its file whole")
    return place
