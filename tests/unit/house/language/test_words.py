"""Every language's table of words is whole: what English has, each has, and opposites are told apart."""

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import edge_llm.house.language
from edge_llm.house.language.text import tokens_of
from edge_llm.house.language.words import LANGUAGES, words_of

TABLES = files(edge_llm.house.language) / "tables"
ROOT = Path(__file__).parents[4]
OPPOSITES = (
    ("on", "off"),
    ("open", "close"),
    ("lock", "unlock"),
    ("next", "previous"),
    ("louder", "quieter"),
    ("brighter", "dimmer"),
    ("warmer", "cooler"),
    ("mute", "unmute"),
)


def table(language: str) -> dict[str, Any]:
    return tomllib.loads((TABLES / f"{language}.toml").read_text(encoding="utf-8"))


ENGLISH = table("en")
OWN = "numbers", "sounds"
"""Tables whose keys are each language's own."""


def keys(value: dict[str, Any], path: str = "") -> list[str]:
    """The paths of a table's keys, in order, but for those that each language has its own of."""
    found: list[str] = []
    for key, part in value.items():
        found.append(f"{path}{key}")
        if isinstance(part, dict) and key not in OWN:
            found += keys(part, f"{path}{key}.")
    return found


def texts(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, part in value.items():
        if isinstance(part, str) and path != "numbers.":
            yield f"{path}{key}", part
        elif isinstance(part, dict):
            yield from texts(part, f"{path}{key}.")


def lists(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, list[str]]]:
    for key, part in value.items():
        if isinstance(part, list):
            yield f"{path}{key}", part
        elif isinstance(part, dict):
            yield from lists(part, f"{path}{key}.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_table_has_the_keys_of_english(language: str) -> None:
    assert keys(table(language)) == keys(ENGLISH)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_has_the_placeholders_of_english(language: str) -> None:
    english = dict(texts(ENGLISH))
    for path, text in texts(table(language)):
        assert text.strip(), path
        assert sorted(re.findall(r"{\w*}", text)) == sorted(re.findall(r"{\w*}", english[path])), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_empty_or_there_twice(language: str) -> None:
    for path, words in lists(table(language)):
        kind = path.startswith("kinds.")
        said = [word.casefold() for word in words]
        if kind:
            assert len(said) > 1, f"{path}: a singular and a plural"
            del said[1:2]  # many plurals are like their singular
        assert all(tokens_of(word) for word in words), path
        assert len(set(said)) == len(said), f"{path}: {sorted(w for w in set(said) if said.count(w) > 1)}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_actions_have_names_of_their_own(language: str) -> None:
    names = [action.name.casefold() for action in words_of(language).actions.values()]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("one", "other"), OPPOSITES)
def test_opposite_actions_share_no_cue(language: str, one: str, other: str) -> None:
    actions = words_of(language).actions
    shared = {tokens_of(cue) for cue in actions[one].cues} & {tokens_of(cue) for cue in actions[other].cues}
    assert not shared


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_are_written_as_they_are_compared(language: str) -> None:
    """Words are compared without accents: "fünf" would never be found."""
    for word, value in words_of(language).numbers.items():
        assert tokens_of(word) == (word,)
        assert isinstance(value, int) or value == "."


def test_every_table_is_of_a_known_language_and_is_installed() -> None:
    """Hatchling takes every file of the package that git does not ignore."""
    assert {entry.name for entry in TABLES.iterdir()} == {f"{language}.toml" for language in LANGUAGES}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["edge_llm"]
    assert wheel["exclude"] == ["edge_llm/web/page/"]
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert not [pattern for pattern in ignored if "toml" in pattern or "tables" in pattern]
