"""Makes a house larger: more devices, in rooms of their own, that no sentence is about."""

from dataclasses import replace

from benchmarks.commands.resolve import Home
from edge_llm.contract.house import Area, Device

_THINGS = (("lamp", "light"), ("plug", "switch"), ("fan", "fan"), ("meter", "sensor"), ("button", "button"))
_A_ROOM = 10


def crowded(home: Home, number: int) -> Home:
    """Return a house with ``number`` more devices; "all lights" are more lights then, also for the judge."""
    rooms = [Area(id=f"annex_{n}", name=f"Annex {n}") for n in range(1, 2 + (number - 1) // _A_ROOM)]
    devices = [
        Device.model_validate(
            {"id": f"annex.{n}", "name": f"Annex {thing} {n}", "kind": kind, "area": rooms[n // _A_ROOM].id}
        )
        for n in range(number)
        for thing, kind in (_THINGS[n % len(_THINGS)],)
    ]
    house = home.house.model_copy(
        update={"areas": (*home.house.areas, *rooms), "devices": (*home.house.devices, *devices)}
    )
    return replace(home, house=house)
