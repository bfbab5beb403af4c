"""Sentences to the generated house, each with the states that are meant; always the same ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from edge_llm.demo.devices import Values
from edge_llm.demo.products import Product

SINGLE, GROUP, VALUE, MODEL = "single", "group", "value", "model"
PARTS = (SINGLE, GROUP, VALUE, MODEL)
"""One device, all lights of a room, a level or a color, and what the rules leave to the model."""
_LAMPS = ("ceiling lamp", "floor lamp", "dimmer")
_COLORS = ("red", "green", "blue")
Meant = Mapping[str, Values]


@dataclass(frozen=True)
class Sentence:
    """A sentence, and the values that devices have after it, by their names; all others stay as they are."""

    part: str
    text: str
    meant: Meant


def make_sentences(house: Sequence[Product], number: int) -> list[Sentence]:
    """As many sentences, of each part and in each room in turn, about devices that are there."""
    rooms = list(dict.fromkeys(device.area for device in house))
    names = {device.name for device in house}
    found: list[Sentence] = []
    for turn, (at, ways) in product(range(len(rooms)), enumerate(_WAYS)):
        made = [way(rooms[(turn + at) % len(rooms)], turn) for way in ways]
        found += [each for each in made if each.meant.keys() <= names]
    return found[:number]


def _on(room: str, _turn: int) -> Sentence:
    return Sentence(SINGLE, f"Turn on the {room.lower()} plug", {f"{room} plug": {"state": "on"}})


def _close(room: str, _turn: int) -> Sentence:
    meant: Meant = {f"{room} blind": {"state": "closed", "position": 0}}
    return Sentence(SINGLE, f"Close the {room.lower()} blind.", meant)


def _lights(room: str, _turn: int) -> Sentence:
    meant: Meant = {f"{room} {lamp}": {"state": "on"} for lamp in _LAMPS}
    return Sentence(GROUP, f"Turn on all the lights in the {room.lower()}.", meant)


def _levels(room: str, turn: int) -> Sentence:
    level = 60 + turn % 4 * 10
    meant: Meant = {f"{room} {lamp}": {"state": "on", "brightness": level} for lamp in _LAMPS}
    return Sentence(GROUP, f"Set all the lights in the {room.lower()} to {level} percent", meant)


def _brightness(room: str, turn: int) -> Sentence:
    level = 35 + turn % 5 * 10
    meant: Meant = {f"{room} ceiling lamp": {"state": "on", "brightness": level}}
    return Sentence(VALUE, f"Set the {room.lower()} ceiling lamp to {level} percent", meant)


def _position(room: str, turn: int) -> Sentence:
    level = 20 + turn % 4 * 10
    meant: Meant = {f"{room} blind": {"state": "open", "position": level}}
    return Sentence(VALUE, f"Set the blind in the {room.lower()} to {level} %.", meant)


def _temperature(room: str, turn: int) -> Sentence:
    degrees = 16 + turn % 4
    meant: Meant = {f"{room} thermostat": {"temperature": float(degrees)}}
    return Sentence(VALUE, f"Set the {room.lower()} thermostat to {degrees} degrees.", meant)


def _color(room: str, turn: int) -> Sentence:
    color = _COLORS[turn % len(_COLORS)]
    meant: Meant = {f"{room} floor lamp": {"state": "on", "color": color}}
    return Sentence(VALUE, f"Make the {room.lower()} floor lamp {color}", meant)


def _dimmed(room: str, turn: int) -> Sentence:
    level = 40 + turn % 5 * 10
    meant: Meant = {f"{room} dimmer": {"state": "on", "brightness": level}}
    return Sentence(MODEL, f"Set the dimmed lamp in the {room.lower()} to {level} percent.", meant)


def _opened(room: str, turn: int) -> Sentence:
    level = 30 + turn % 4 * 10
    return Sentence(
        MODEL, f"Open the {room.lower()} to {level} percent", {f"{room} blind": {"position": level}}
    )


_WAYS: Sequence[Sequence[Callable[[str, int], Sentence]]] = (
    (_on, _brightness),
    (_lights, _dimmed),
    (_close, _temperature),
    (_position, _opened),
    (_color, _levels),
)
"""What is said in a room, turn by turn."""
