"""A generated house: rooms with devices of each kind, in the ways in which products announce them."""

from collections.abc import Sequence
from itertools import islice, product

from edge_llm.demo.devices import (
    BinarySensor,
    Climate,
    Cover,
    Device,
    Fan,
    Light,
    Lock,
    Sensor,
    Switch,
    xy_of,
)
from edge_llm.demo.products import EspHome, Product, Tasmota
from edge_llm.demo.zigbee import Zigbee

ROOMS = (
    *("Kitchen", "Living room", "Bedroom", "Bathroom", "Office", "Hall", "Garage", "Laundry", "Attic"),
    *("Guest room", "Nursery", "Dining room", "Cellar", "Workshop", "Library", "Pantry"),
)
THINGS = (
    *("ceiling lamp", "plug", "blind", "thermostat", "fan", "floor lamp", "thermometer", "window", "dimmer"),
    "lock",
)
KINDS = ("light", "switch", "cover", "climate", "fan", "lock")
"""The kinds that can be moved."""


def make_house(number: int) -> Sequence[Product]:
    """As many devices: as many rooms as that takes, with one of THINGS each."""
    rooms = ROOMS[: -(-number // len(THINGS))]
    return tuple(_product(room, thing) for thing, room in islice(product(THINGS, rooms), number))


def _product(room: str, thing: str) -> Product:
    name = f"{room} {thing}"
    match thing:
        case "plug":
            return Tasmota(name, room, Switch(state="off"))
        case "dimmer":
            return Tasmota(name, room, Light(state="off", brightness=20))
        case "fan":
            return EspHome(name, room, Fan(state="off", speed=0))
        case "blind":
            return EspHome(name, room, Cover("blind", state="open", position=100))
    return Zigbee(name, room, _zigbee(thing))


def _zigbee(thing: str) -> Device:
    match thing:
        case "thermostat":
            return Climate(state="heat", temperature=20.0, current_temperature=19.5)
        case "thermometer":
            return Sensor(state=21.5)
        case "window":
            return BinarySensor("window", state="off")
        case "lock":
            return Lock(state="unlocked")
        case "floor lamp":
            return Light(state="off", brightness=30, color=xy_of(255, 255, 255))
    return Light(state="off", brightness=50)
