"""The words of a language for a house: kinds, actions, and what the node says; one table a language."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

FALLBACK = "en"
LANGUAGES = ("en", "de", "es", "fr", "nl", "zh")
_TABLES = files(__package__) / "tables"


@dataclass(frozen=True, slots=True)
class ActionWords:
    """How an action is written, asked for and reported.

    ``name`` is what the model writes, ``say`` a sentence that asks for it, ``done`` the report; ``cues`` are
    words that point to it, and ``item`` what a list's example adds.
    """

    name: str
    say: str
    done: str
    cues: tuple[str, ...] = ()
    item: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """One language's table; a field's name says what its words mean, see ``tables/en.toml``."""

    language: str
    house: str
    everything: tuple[str, ...]
    all: tuple[str, ...]
    whole_house: tuple[str, ...]
    here: tuple[str, ...]
    except_: tuple[str, ...]
    not_: tuple[str, ...]
    and_: tuple[str, ...]
    question: tuple[str, ...]
    """What questions about a state begin with."""
    polite: tuple[str, ...]
    """What a request begins with that is put as a question."""
    yes: tuple[str, ...]
    no: tuple[str, ...]
    upstairs: tuple[str, ...]
    downstairs: tuple[str, ...]
    half: tuple[str, ...]
    most: tuple[str, ...]
    least: tuple[str, ...]
    slightly: tuple[str, ...]
    kinds: dict[str, tuple[str, ...]]
    general: tuple[str, ...]
    """Words for kinds that mean any device of it, whatever it is called; so do the first two of each kind."""
    asked: dict[str, tuple[str, ...]]
    """Words that ask for what a class of sensors tells."""
    states: dict[str, tuple[str, ...]]
    """Words for states in questions."""
    synonyms: dict[str, tuple[str, ...]]
    """Words for the same appliance or room."""
    colors: dict[str, tuple[str, ...]]
    modes: dict[str, tuple[str, ...]]
    """Words for modes, each under its usual name, which is Home Assistant's."""
    numbers: dict[str, int | str]
    """Values of words for numbers; "." is the word before the decimals."""
    joins: tuple[str, ...]
    """Words between tens and units."""
    ones: tuple[str, ...]
    """Articles that are numbers behind these."""
    percent: tuple[str, ...]
    by: tuple[str, ...]
    """What stands before a number by which a value changes."""
    elsewhere: tuple[str, ...]
    """Words of what no house of devices does: timers, the weather, playlists."""
    filler: tuple[str, ...]
    """Usual words that say nothing of devices, and verbs that go with any."""
    harmless: tuple[str, ...]
    """Words that may stand beside a thing, and tell it from no other."""
    places: tuple[str, ...]
    """Words that a place stands behind, or one more thing."""
    rooms: tuple[str, ...]
    """Words for a room that its name stands before."""
    between: tuple[str, ...]
    """Other words that may stand between a name and the word for a thing."""
    whole: tuple[str, ...]
    """Words for all of a room, which are said of no thing."""
    also_rooms: tuple[str, ...]
    """Words for kinds that are rooms, too: the lights of a garage are no garage."""
    names_follow: bool
    """Whether names stand behind the words for things, too."""
    sounds: dict[str, tuple[str, ...]]
    """Spellings, each under how it sounds; "^" stands for the beginning of a word, and "$" for its end."""
    actions: dict[str, ActionWords]
    speech: dict[str, Any]
    prompt: dict[str, str]
    compounds: bool = False
    questions_anywhere: bool = False
    """Whether the words of questions also stand within a sentence."""

    def kind(self, key: str, *, plural: bool = False) -> str:
        """The word for a kind, or for ``kind:class``; the key itself where the language has none."""
        known = self.kinds.get(key) or self.kinds.get(key.partition(":")[0]) or (key.replace("_", " "),)
        return known[1] if plural and len(known) > 1 else known[0]


@cache
def words_of(language: str) -> Words:
    """The table of a language, or that of English where there is none."""
    known = language.replace("_", "-").split("-")[0].lower()
    return _load(known if known in LANGUAGES else FALLBACK)


@cache
def _load(language: str) -> Words:
    table = tomllib.loads((_TABLES / f"{language}.toml").read_text(encoding="utf-8"))
    for word in ("except", "and", "not"):  # which Python keeps for itself
        table[f"{word}_"] = table.pop(word)
    actions = {name: ActionWords(**_frozen(entry)) for name, entry in table.pop("actions").items()}
    return Words(actions=actions, **_frozen(table))


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(part) for key, part in value.items()}
    return tuple(value) if isinstance(value, list) else value
