"""Puts the signs of units for their words: 285 Quadratmeter are 285 m²."""

import re

_WRITTEN = {
    "kwh": "kilowatt[- ]?hours?|kilowattstunden?",
    "kw": "kilowatts?",
    "qm": "square met(?:er|re)s?|quadratmetern?|sqm|m2",
    "cbm": "cubic met(?:er|re)s?|kubikmetern?|m3",
    "km": "kilomet(?:er|re)s?|kilometern",
    "cm": "centimet(?:er|re)s?|zentimetern?",
    "mm": "millimet(?:er|re)s?|millimetern",
    "kg": "kilogram(?:m|me)?s?|kilos?",
    "ml": "millilit(?:er|re)s?|millilitern",
    "stunden": "std",
    "hours": "hrs?",
}
"""How a unit is written, by its sign. Signs of one letter, which may mean another thing, are not here, and
Chinese words are among the synonyms."""
_EACH = "|".join(f"(?P<{sign}>{sign}|{words})" for sign, words in _WRITTEN.items())
_UNIT = re.compile(rf"(?<![^\W\d_])(?:{_EACH})(?![^\W_])")


def with_signs(text: str) -> str:
    """Put the signs for the words of units in a normalised text, apart from their numbers: 5kg is 5 kg."""
    return _UNIT.sub(lambda found: f" {found.lastgroup} ", text)
