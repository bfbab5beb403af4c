"""Reads messages as JSON whose numbers later steps can work with."""

import json
import math
from typing import Any

_LONG_NUMBER = 16


def read_json(text: str) -> Any:
    """A message as JSON: a long whole number becomes a float.

    Raises:
        ValueError: it is none, or has a number that is none or too large.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_refuse_constant)


def _refuse_constant(_: str) -> Any:
    raise ValueError


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError
    return number


def _whole(digits: str) -> float:
    return int(digits) if len(digits) < _LONG_NUMBER else _finite(digits)
