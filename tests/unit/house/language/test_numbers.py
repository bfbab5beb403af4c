"""Numbers are read in digits, and in the words of each language."""

import pytest

from edge_llm.house.language.numbers import in_digits, in_words
from edge_llm.house.language.text import tokens_of
from edge_llm.house.language.words import words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set it to 40 %", [40]),
        ("21.5 degrees", [21.5]),
        ("21,5 grad", [21.5]),
        ("-3", [-3]),
        ("from 10 to 20", [10, 20]),
        ("lamp2", []),
        ("none", []),
    ],
)
def test_digits(text: str, expected: list[float]) -> None:
    """A digit that is part of a word is none: "lamp2" is a name."""
    assert in_digits(text) == expected


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "twenty five percent", [25]),
        ("en", "one hundred", [100]),
        ("en", "one hundred and five", [105]),
        ("en", "twenty one point five degrees", [21.5]),
        ("en", "between ten degrees", [10]),
        ("de", "fünfundzwanzig", [25]),
        ("de", "einundzwanzig komma fünf", [21.5]),
        ("de", "hundert", [100]),
        ("es", "treinta y cinco", [35]),
        ("es", "veintidós coma cinco", [22.5]),
        ("fr", "soixante et onze", [71]),
        ("fr", "quatre-vingt-dix", [90]),
        ("fr", "soixante-quinze", [75]),
        ("nl", "vijfentwintig", [25]),
        ("zh", "五十", [50]),
        ("zh", "二十五", [25]),
        ("zh", "十八", [18]),
        ("en", "the lamp and the fan", []),
        ("en", "point", []),
    ],
)
def test_words(language: str, said: str, expected: list[float]) -> None:
    words = words_of(language)
    assert in_words(tokens_of(said), words.numbers, words.joins, words.ones) == expected


def test_a_conjunction_between_two_things_joins_no_numbers() -> None:
    """ "Twenty and the lamp" is 20; "twenty and thirty" are two."""
    words = words_of("en")
    assert in_words(tokens_of("twenty and the lamp"), words.numbers, words.joins, words.ones) == [20]
    assert in_words(tokens_of("twenty and thirty"), words.numbers, words.joins, words.ones) == [20, 30]
