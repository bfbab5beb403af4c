"""Reads where the weights of an ONNX file are, and gives them other places (onnx.proto of the ONNX project).

A *blob* is a weight packed as a kernel wants it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge_llm.engine.onnx.protobuf import Field, encode, parse, read_varints, string

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DTYPE, _NAME, _EXTERNAL_DATA = 1, 2, 8, 13
_KEY, _VALUE = 1, 2
_PREPACKED = "prepacked_"
"""ONNX Runtime's entries beside location, offset and length: ``KEY|OFFSET;BYTES;CHECKSUM;OFFSET;…``."""


@dataclass(frozen=True)
class Blob:
    """A packed weight. ONNX Runtime finds it by ``key``: a kind of node, and a hash of the content."""

    key: str
    places: tuple[tuple[int, int], ...]
    """Offset and bytes of each buffer in the file."""


@dataclass(frozen=True)
class StoredWeight:
    """A weight in a file beside the graph, and its packed forms in the same file."""

    name: str
    dtype: int
    """As TensorProto.DataType numbers it."""
    shape: tuple[int, ...]
    file: str
    offset: int
    bytes: int
    blobs: tuple[Blob, ...] = ()


class GraphFile:
    """The bytes of a model."""

    def __init__(self, model: bytes) -> None:
        """Read them.

        Raises:
            ValueError: this is no ONNX model.
        """
        self._model = parse(model)
        graphs = [each.data for each in self._model if each.number == _GRAPH]
        if len(graphs) != 1:
            raise ValueError("an ONNX model has one graph")
        self._graph = parse(graphs[0])

    def weights(self) -> Iterator[StoredWeight]:
        """The weights in files beside this one."""
        for each in self._graph:
            if each.number == _INITIALIZER and (weight := _read(parse(each.data))):
                yield weight

    def placed(self, places: Mapping[str, StoredWeight]) -> bytes:
        """The model's bytes, with each weight that is named in ``places`` where that says."""

        def moved(each: Field) -> Field:
            tensor = parse(each.data)
            place = places.get(_name(tensor))
            return string(_INITIALIZER, encode(_moved(tensor, place))) if place else each

        graph = encode(moved(each) if each.number == _INITIALIZER else each for each in self._graph)
        return encode(string(_GRAPH, graph) if each.number == _GRAPH else each for each in self._model)


def _name(tensor: list[Field]) -> str:
    return next((each.data.decode() for each in tensor if each.number == _NAME), "")


def _read(tensor: list[Field]) -> StoredWeight | None:
    """The place of a TensorProto's data; None where they are in the tensor itself."""
    pairs = [parse(each.data) for each in tensor if each.number == _EXTERNAL_DATA]
    entries = {
        key: value
        for pair in pairs
        for key, value in [[each.data.decode() for each in pair if each.number in (_KEY, _VALUE)]]
    }
    if not entries:
        return None
    return StoredWeight(
        name=_name(tensor),
        dtype=next(number for each in tensor if each.number == _DTYPE for number in read_varints(each)),
        shape=tuple(number for each in tensor if each.number == _DIMS for number in read_varints(each)),
        file=entries["location"],
        offset=int(entries.get("offset", 0)),
        bytes=int(entries["length"]),
        blobs=tuple(_blob(value) for key, value in entries.items() if key.startswith(_PREPACKED)),
    )


def _blob(entry: str) -> Blob:
    key, _, rest = entry.rpartition("|")
    numbers = rest.split(";")
    return Blob(key, tuple((int(a), int(b)) for a, b in zip(numbers[::3], numbers[1::3], strict=True)))


def _moved(tensor: list[Field], place: StoredWeight) -> Iterator[Field]:
    """The fields of the tensor when its data are at ``place``."""
    yield from (each for each in tensor if each.number != _EXTERNAL_DATA)
    entries = {"location": place.file, "offset": str(place.offset), "length": str(place.bytes)}
    for number, blob in enumerate(place.blobs):
        buffers = ";".join(f"{offset};{size};0" for offset, size in blob.places)
        entries[f"{_PREPACKED}{number}"] = f"{blob.key}|{buffers}"
    for key, value in entries.items():
        pair = string(_KEY, key.encode()), string(_VALUE, value.encode())
        yield string(_EXTERNAL_DATA, encode(pair))
