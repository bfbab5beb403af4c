"""Reads the numbers of a sentence, in digits and in words."""

import re
from collections.abc import Mapping, Sequence

POINT = "."
"""What a word means that stands between a number and its decimals."""
_DIGITS = re.compile(r"(?<![\w.,])-?\d+(?:[.,]\d+)?")
_TEN, _TWENTY, _HUNDRED = 10, 20, 100


def plain(value: float) -> float:
    """A number as people write it: a whole one without a point."""
    return int(value) if value == int(value) else value


def in_digits(text: str) -> list[float]:
    """The numbers that are written in digits, with a point or a comma before the decimals."""
    return [float(number.replace(",", ".")) for number in _DIGITS.findall(text)]


def in_words(
    words: Sequence[str], values: Mapping[str, int | str], joins: Sequence[str] = (), ones: Sequence[str] = ()
) -> list[float]:
    """The numbers that are written in words: "twenty", "five" is 25, and "twenty", "point", "five" 20.5.

    ``values`` are the numbers of words, or POINT; ``joins`` stand between tens and units, and behind tens an
    article, one of ``ones``, is a number, too: "vingt et un".
    """
    numbers: list[float] = []
    run: list[int | str] = []
    units = {word: value for word, value in values.items() if _is_unit(value)} | dict.fromkeys(ones, 1)
    for before, word, following in zip(["", *words], words, [*words[1:], ""], strict=False):
        behind = bool(run) and (before in joins or _value(run) >= _TEN)
        value = units.get(word, values.get(word)) if behind else values.get(word)
        if value is not None and (run or value != POINT):
            run.append(value)
        elif not (run and word in joins and _follows(units.get(following, values.get(following)), run[-1])):
            numbers += [_value(run)] if run else []
            run = []
    return numbers + ([_value(run)] if run else [])


def _is_unit(value: int | str | None) -> bool:
    return isinstance(value, int) and value < _TWENTY


def _follows(value: int | str | None, before: int | str) -> bool:
    """Whether a number goes on behind "and": units behind tens, and anything behind a hundred."""
    if not isinstance(value, int) or not isinstance(before, int):
        return False
    return value < _HUNDRED if before == _HUNDRED else before >= _TWENTY > value


def _value(run: Sequence[int | str]) -> float:
    """Put the parts of a number together."""
    cut = run.index(POINT) if POINT in run else len(run)
    value = before = 0
    for part in map(int, run[:cut]):
        if part == _HUNDRED:
            value = max(value, 1) * _HUNDRED
        elif 0 < before < _TEN and part in (_TEN, _TWENTY):  # 五十, quatre-vingt
            value += before * (part - 1)
        else:
            value += part
        before = part
    decimals = "".join(str(part) for part in run[cut + 1 :] if part != POINT)
    return float(f"{value}.{decimals or 0}")
