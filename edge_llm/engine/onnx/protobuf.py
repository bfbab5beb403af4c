"""Reads and writes protobuf messages field by field, without their schema: the service has no onnx package.

The encoding is https://protobuf.dev/programming-guides/encoding. Of a message a list of its fields is made;
whoever changes one changes the list.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_VARINT, _LENGTH = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}


@dataclass(frozen=True)
class Field:
    """A field: its number, its wire type, and the value, an int for a varint, else bytes."""

    number: int
    wire: int
    value: int | bytes

    @property
    def data(self) -> bytes:
        """The bytes of a string or message.

        Raises:
            ValueError: it is a number.
        """
        if isinstance(self.value, int):
            raise ValueError(f"field {self.number} is a number")  # noqa: TRY004 - the file is at fault
        return self.value


def string(number: int, data: bytes) -> Field:
    """A field that holds a string or a message."""
    return Field(number, _LENGTH, data)


def read_varints(field: Field) -> list[int]:
    """The integers of a repeated field, of which some writers make one field each and others one of all."""
    if isinstance(field.value, int):
        return [field.value]
    numbers, at = [], 0
    while at < len(field.value):
        number, at = _varint(field.value, at)
        numbers.append(number)
    return numbers


def parse(message: bytes) -> list[Field]:
    """The fields of a message, in order.

    Raises:
        ValueError: it is no protobuf message.
    """
    fields, at = [], 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            fields.append(Field(number, wire, value))
            continue
        if wire == _LENGTH:
            length, at = _varint(message, at)
        elif wire in _FIXED_BYTES:
            length = _FIXED_BYTES[wire]
        else:
            raise ValueError(f"wire type {wire} of protobuf is not known")
        if at + length > len(message):
            raise ValueError("a protobuf message is cut off")
        fields.append(Field(number, wire, message[at : at + length]))
        at += length
    return fields


def encode(fields: Iterable[Field]) -> bytes:
    """The message of these fields."""
    parts = []
    for field in fields:
        parts.append(_encode_varint(field.number << 3 | field.wire))
        if isinstance(field.value, int):
            parts.append(_encode_varint(field.value))
            continue
        if field.wire == _LENGTH:
            parts.append(_encode_varint(len(field.value)))
        parts.append(field.value)
    return b"".join(parts)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a protobuf message is cut off")


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
