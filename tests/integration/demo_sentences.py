"""Sentences to the demo's house, what each is to come to, and who says them and looks."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge_llm.client import Done
from edge_llm.demo.devices import Values
from edge_llm.demo.house import SimulatedHouse

States = Mapping[str, Values]


@dataclass(frozen=True)
class Sentence:
    """A sentence, and all values that are others afterwards, by the devices' names.

    ``answer`` is a pattern of the words that come back; ``asks``: it is done after a yes alone; ``start`` are
    values that are set by hand before.
    """

    text: str
    wanted: States = field(default_factory=dict)
    answer: str = ""
    asks: bool = False
    start: States = field(default_factory=dict)


ON, OFF = {"state": "on"}, {"state": "off"}
CLOSED = {"state": "closed", "position": 0}
SENTENCES = (
    # One device.
    Sentence("Turn on the kitchen light", {"Kitchen light": ON}),
    Sentence("Switch the hall light off", {"Hall light": OFF}),
    Sentence("Make me some coffee", {"Coffee maker": ON}),
    Sentence("Close the blinds", {"Blinds": CLOSED}),
    Sentence("Shut the bedroom curtain", {"Curtain": CLOSED}),
    Sentence("Start the fan", {"Fan": {"state": "on", "speed": 100}}),
    Sentence("Switch off the heating", {"Thermostat": OFF}),
    Sentence("Lock the front door", {"Front door lock": {"state": "locked"}}, asks=True),
    # A value.
    Sentence("Dim the bedside lamp to 10 percent", {"Bedside lamp": {"state": "on", "brightness": 10}}),
    Sentence("Put the blinds halfway down", {"Blinds": {"position": 50}}),
    Sentence("Set the thermostat to 22 degrees", {"Thermostat": {"temperature": 22}}),
    Sentence("Make the living room one degree warmer", {"Thermostat": {"temperature": 21}}),
    Sentence("Set the fan to 33 percent", {"Fan": {"state": "on", "speed": 33}}),
    # A color.
    Sentence("Make the sofa lamp blue", {"Sofa lamp": {"state": "on", "color": "blue"}}),
    # Two at once.
    Sentence("Turn on the kitchen light and close the blinds", {"Kitchen light": ON, "Blinds": CLOSED}),
    Sentence("Turn off the hall light and start the coffee maker", {"Hall light": OFF, "Coffee maker": ON}),
    Sentence(
        "Set the thermostat to 18 degrees and turn the sofa lamp red",
        {"Thermostat": {"temperature": 18}, "Sofa lamp": {"state": "on", "color": "red"}},
    ),
    # A room, a group.
    Sentence("Lights on in the bedroom", {"Bedside lamp": ON}),
    Sentence("Turn everything on in the kitchen", {"Kitchen light": ON, "Coffee maker": ON}),
    Sentence("Close the blinds and the curtain", {"Blinds": CLOSED, "Curtain": CLOSED}),
    Sentence(
        "Turn off all lights except the hall light",
        {"Kitchen light": OFF, "Sofa lamp": OFF},
        asks=True,  # it is for the whole house
        start={"Kitchen light": ON, "Sofa lamp": ON},
    ),
    # A question.
    Sentence("How warm is it in the kitchen?", answer=r"21[.,]5"),
    Sentence("Which lights are on?", answer=r"(?i)\bhall light\b"),
    Sentence("Are the blinds open?", answer=r"(?i)\b(yes|open)\b"),
)


def fault(sentence: Sentence, house: SimulatedHouse, say: Callable[[str], Done]) -> str | None:
    """Say a sentence to the house as it is at first; what is wrong afterwards, if anything is.

    ``say`` says a text in a session of its own; the house is put back.
    """
    first = house.states()
    try:
        for name, values in sentence.start.items():
            house.set(name, **values)
        house.wait_idle()
        return _fault(sentence, house, say)
    finally:
        house.wait_idle()
        for name, values in first.items():
            if house.state(name) != values:
                house.set(name, **values)
        house.wait_idle()


def _fault(sentence: Sentence, house: SimulatedHouse, say: Callable[[str], Done]) -> str | None:
    before = house.states()
    done = say(sentence.text)
    asked = done.act is not None and done.act.outcome == "confirm"
    if asked != sentence.asks:
        return f"asked back: {asked}"
    if asked:
        done = say("yes")
    house.wait_idle()
    states = house.states()
    changed = {name: values for name, values in states.items() if values != before[name]}
    wanted = {name: before[name] | values for name, values in sentence.wanted.items()}
    if changed != wanted:
        return f"became {changed}"
    if not re.search(sentence.answer, done.text):
        return f"answered {done.text!r}"
    return None
