"""What a template may call: filters, tests, functions and methods, each bounded in time and in memory.

They behave as Home Assistant's of the same name, https://www.home-assistant.io/docs/templating.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

MAX_TEXT = 16_384
"""Maximum length of a message, and of every text that a template makes, in characters."""
_MAX_NUMBER = 10**15
_LONGEST_NUMBER = 40
_MAX_DECIMALS = 10
_FORMAT = re.compile(r"(?:[^%]|%%|%0?\d?(?:\.\d)?[dxXfs])*")
_MISSING: Final = object()


class CannotRender(Exception):  # noqa: N818 - what a message lacks is no fault of the node
    """A template has no result for a message or a value."""


class Undefined:
    """What a name or a key stands for that is not there; it is false, and empty text."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""


UNDEFINED = Undefined()


def text_of(value: Any) -> str:
    """A value as a template writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | Undefined) or value is None:
        return str(value)
    written = str(value)
    if len(written) > MAX_TEXT:
        raise CannotRender
    return written


def checked(number: float) -> float:
    """A number that later steps can work with in constant time."""
    if isinstance(number, complex) or not math.isfinite(number) or abs(number) > _MAX_NUMBER:
        raise CannotRender
    return number


def number_of(value: Any) -> float:
    """A number; a text is none."""
    if not isinstance(value, int | float):
        raise CannotRender
    return checked(value)


def _float(value: Any, default: Any = _MISSING) -> Any:
    if isinstance(value, Undefined):
        raise CannotRender
    try:
        if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
            return checked(float(value))
        return float(number_of(value))
    except (ValueError, CannotRender):
        return _or_default(default)


def _int(value: Any, default: Any = _MISSING, base: int = 10) -> Any:
    if isinstance(value, Undefined):
        raise CannotRender
    try:
        if isinstance(value, str):
            return _int_of_text(value[: _LONGEST_NUMBER + 1], base)
        return int(number_of(value))
    except (ValueError, CannotRender):
        return _or_default(default)


def _int_of_text(text: str, base: int) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise CannotRender
    try:
        return int(checked(int(text, base)))
    except ValueError:
        return int(checked(float(text)))


def _or_default(default: Any) -> Any:
    if default is _MISSING:
        raise CannotRender
    return default


def _round(value: Any, precision: int = 0, method: str = "common", default: Any = _MISSING) -> Any:
    ways: dict[str, Callable[[float], float]] = {"floor": math.floor, "ceil": math.ceil}
    if not -_MAX_DECIMALS <= number_of(precision) <= _MAX_DECIMALS:
        raise CannotRender
    number = _float(value, None)
    if number is None:
        return _or_default(default)
    if method == "half":
        rounded = round(number * 2) / 2
    elif method in ways:
        rounded = ways[method](number * 10.0**precision) / 10.0**precision
    else:
        rounded = round(number, int(precision))
    return int(rounded) if precision == 0 else rounded


def _replace(value: Any, old: Any, new: Any) -> str:
    text, gone, put = text_of(value), text_of(old), text_of(new)
    if len(text) + text.count(gone) * max(0, len(put) - len(gone)) > MAX_TEXT:
        raise CannotRender
    return text.replace(gone, put)


def _join(value: Any, separator: Any = "") -> str:
    if not isinstance(value, list | tuple):
        raise CannotRender
    parts, between = [text_of(each) for each in value], text_of(separator)
    if sum(map(len, parts)) + len(between) * len(parts) > MAX_TEXT:
        raise CannotRender
    return between.join(parts)


def _format(value: Any, *arguments: Any) -> str:
    text = text_of(value)
    if not _FORMAT.fullmatch(text) or any(isinstance(each, list | tuple | dict) for each in arguments):
        raise CannotRender
    return str(text % arguments)


def _to_json(value: Any) -> str:
    """JSON as Home Assistant's own filter writes it: without spaces."""
    return json.dumps(_is_defined(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _jinja_json(value: Any) -> str:
    """JSON as Jinja's filter writes it, for a place in HTML."""
    text = json.dumps(_is_defined(value), sort_keys=True, allow_nan=False)
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _default(value: Any, default: Any = "", boolean: bool = False) -> Any:  # noqa: FBT001, FBT002 - as Jinja has it
    return default if isinstance(value, Undefined) or (boolean and not value) else value


def _is_defined(value: Any) -> Any:
    if isinstance(value, Undefined):
        raise CannotRender
    return value


def _iif(value: Any, if_true: Any = True, if_false: Any = False, if_none: Any = _MISSING) -> Any:  # noqa: FBT002 - as theirs
    if value is None and if_none is not _MISSING:
        return if_none
    return if_true if value else if_false


def _split(value: Any, separator: Any = None, maximum: int = -1) -> list[str]:
    return text_of(value).split(None if separator is None else text_of(separator), int(number_of(maximum)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | str) and _float(value, None) is not None


def _of(value: Any, *others: Any) -> list[float]:
    numbers = [number_of(each) for each in (value if isinstance(value, list | tuple) else (value, *others))]
    return numbers or _or_default(_MISSING)


def _at(value: Any, index: int) -> Any:
    if not isinstance(value, list | tuple | str):
        raise CannotRender
    return value[index] if value else UNDEFINED


def _length(value: Any) -> int:
    if not isinstance(value, list | tuple | str | dict):
        raise CannotRender
    return len(value)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "default": _default,
    "d": _default,
    "int": _int,
    "float": _float,
    "round": _round,
    "abs": lambda value: abs(number_of(value)),
    "add": lambda value, amount: checked(_float(value) + number_of(amount)),
    "multiply": lambda value, amount: checked(_float(value) * number_of(amount)),
    "min": lambda value: min(_of(value)),
    "max": lambda value: max(_of(value)),
    "lower": lambda value: text_of(value).lower(),
    "upper": lambda value: text_of(value).upper(),
    "title": lambda value: text_of(value).title(),
    "capitalize": lambda value: text_of(value).capitalize(),
    "trim": lambda value: text_of(value).strip(),
    "replace": _replace,
    "join": _join,
    "format": _format,
    "string": text_of,
    "tojson": _jinja_json,
    "to_json": _to_json,
    "iif": _iif,
    "is_defined": _is_defined,
    "is_number": _is_number,
    "length": _length,
    "count": _length,
    "first": lambda value: _at(value, 0),
    "last": lambda value: _at(value, -1),
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "float": _float,
    "int": _int,
    "iif": _iif,
    "is_number": _is_number,
    "min": lambda value, *others: min(_of(value, *others)),
    "max": lambda value, *others: max(_of(value, *others)),
}
TESTS: Mapping[str, Callable[[Any], bool]] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "undefined": lambda value: isinstance(value, Undefined),
    "none": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "mapping": lambda value: isinstance(value, dict),
    "true": lambda value: value is True,
    "false": lambda value: value is False,
}
_TEXT_METHODS: dict[str, Callable[..., Any]] = {
    "split": _split,
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "title": lambda text: text.title(),
    "capitalize": lambda text: text.capitalize(),
    "strip": lambda text, characters=None: text.strip(characters and text_of(characters)),
    "lstrip": lambda text, characters=None: text.lstrip(characters and text_of(characters)),
    "rstrip": lambda text, characters=None: text.rstrip(characters and text_of(characters)),
    "replace": _replace,
    "startswith": lambda text, start: text.startswith(text_of(start)),
    "endswith": lambda text, end: text.endswith(text_of(end)),
}


def _get(value: Any, key: Any, default: Any = None) -> Any:
    if not isinstance(value, dict) or isinstance(key, list | dict | Undefined):
        raise CannotRender
    return value.get(key, default)


METHODS: Mapping[str, Callable[..., Any]] = _TEXT_METHODS | {"get": _get}
"""By name; all but ``get`` are of texts."""


def call_method(name: str, value: Any, *arguments: Any, **named: Any) -> Any:
    """Call a method of a text, or ``get`` of a mapping."""
    if name in _TEXT_METHODS and not isinstance(value, str):
        raise CannotRender
    return METHODS[name](value, *arguments, **named)
