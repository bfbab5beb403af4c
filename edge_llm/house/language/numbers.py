"""Reads the numbers of a sentence, in digits and in words."""

import re
from collections.abc import Mapping, Sequence

POINT = "."
"""What a word means that stands between a number and its decimals."""
_DIGITS = re.compile(r"(?<![\w.,])-?\d+(?:[.,]\d+)?")
_TEN, _TWENTY, _HUNDRED = 10, 20, 100


def in_digits(text: str) -> list[float]:
    """The numbers that are written in digits, with a point or a comma before the decimals."""
    return [float(number.replace(",", ".")) for number in _DIGITS.findall(text)]


def in_words(
    words: Sequence[str], values: Mapping[str, int | str], joins: Sequence[str] = (), ones: Sequence[str] = ()
) -> list[float]:
    """The numbers that are written in words: "twenty", "five" is 25, and "twenty", "point", "five" 20.5.

    ``values`` are the numbers of words, or POINT; ``joins`` stand between tens and units, and behind them
    an article, one of ``ones``, is a number, too: "vingt et un".
    """
    numbers: list[float] = []
    run: list[int | str] = []
    units = {word: value for word, value in values.items() if _is_unit(value)} | dict.fromkeys(ones, 1)
    for before, word, following in zip(["", *words], words, [*words[1:], ""], strict=False):
        value = units.get(word) if run and before in joins else values.get(word)
        if value is not None and (run or value != POINT):
            run.append(value)
        elif not (run and word in joins and following in units and _is_tens(run[-1])):
            numbers += [_value(run)] if run else []
            run = []
    return numbers + ([_value(run)] if run else [])


def _is_unit(value: int | str | None) -> bool:
    return isinstance(value, int) and value < _TWENTY


def _is_tens(value: int | str) -> bool:
    return isinstance(value, int) and value >= _TWENTY


def _value(run: Sequence[int | str]) -> float:
    """Put the parts of a number together."""
    cut = run.index(POINT) if POINT in run else len(run)
    value = 0
    for part in run[:cut]:
        if part == _HUNDRED:
            value = max(value, 1) * _HUNDRED
        elif 0 < value < _TEN and part in (_TEN, _TWENTY):  # 五十, quatre-vingt
            value *= int(part)
        else:
            value += int(part)
    decimals = "".join(str(part) for part in run[cut + 1 :] if part != POINT)
    return float(f"{value}.{decimals or 0}")
