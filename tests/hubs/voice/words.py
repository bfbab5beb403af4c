"""Compares what was said with what was heard, word by word: numbers may be in digits."""

import re

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def same_words(said: str, heard: str) -> bool:
    """Whether the words are the same."""
    return words(said) == words(heard)


def share_of_words(said: str, heard: str) -> float:
    """The share of the words of ``said`` that are in ``heard``."""
    of, among = words(said), set(words(heard))
    return sum(word in among for word in of) / len(of) if of else 1.0


def words(text: str) -> list[str]:
    """The words of a text, its numbers as they are spoken."""
    text = text.lower().replace("%", " percent ").replace("°c", " degrees ").replace("°", " degrees ")
    text = re.sub(r"(\d)\.5\b", r"\1 and a half", text)
    text = re.sub(r"\d+", lambda number: _spoken(int(number.group())), text)
    return re.findall(r"[a-z']+", text)


def _spoken(number: int) -> str:
    if number < len(_ONES):
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return f"{_TENS[tens - 2]} {_ONES[ones]}" if ones else _TENS[tens - 2]
    return "one hundred" if number == 100 else str(number)
