"""What is said to the demo house of Home Assistant, and what its entities are before and after it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.homeassistant.hub import Installation, installed, wait
from edge_llm.bundle import Bundle
from tests.homeassistant_process import HomeAssistant

_CONFIGURATION = "assist_pipeline:\nconfig:\ndemo:\nhomeassistant: {name: Home}\n"
_LOCKS = ("lock.front_door", "lock.kitchen_door")


@dataclass(frozen=True)
class Command:
    """A sentence, the entity that it is about, the service that puts that back, and what is wanted of it."""

    text: str
    entity: str
    before: str
    data: Mapping[str, Any] = field(default_factory=dict)
    wanted: str | Mapping[str, Any] | None = None
    """Its state, or some of its attributes; None where more than one is right."""

    def is_done(self, state: Mapping[str, Any]) -> bool:
        """Whether its entity's state is the wanted one."""
        if isinstance(self.wanted, Mapping):
            return all(state["attributes"].get(name) == value for name, value in self.wanted.items())
        return self.wanted is None or bool(state["state"] == self.wanted)


SETTLED = (
    Command("turn on the bed light", "light.bed_light", "light.turn_off", wanted="on"),
    Command("switch off the ceiling lights", "light.ceiling_lights", "light.turn_on", wanted="off"),
    Command(
        "set the kitchen lights to 40 percent",
        "light.kitchen_lights",
        "light.turn_on",
        {"brightness_pct": 90},
        {"brightness": 102},
    ),
    Command(
        "make the bed light blue",
        "light.bed_light",
        "light.turn_on",
        {"color_name": "red"},
        {"hs_color": [240.0, 100.0]},
    ),
    Command("turn off the office RGBW lights", "light.office_rgbw_lights", "light.turn_on", wanted="off"),
    Command("turn off the decorative lights", "switch.decorative_lights", "switch.turn_on", wanted="off"),
    Command("turn on the AC", "switch.ac", "switch.turn_off", wanted="on"),
    Command("open the kitchen window", "cover.kitchen_window", "cover.close_cover", wanted="open"),
    Command("shut the garage door, please", "cover.garage_door", "cover.open_cover", wanted="closed"),
    Command("turn on the ceiling fan", "fan.ceiling_fan", "fan.turn_off", wanted="on"),
    Command(
        "set the ceiling fan to 66 percent",
        "fan.ceiling_fan",
        "fan.set_percentage",
        {"percentage": 100},
        {"percentage": 66},
    ),
    Command(
        "set the heat pump to 23 degrees",
        "climate.heatpump",
        "climate.set_temperature",
        {"temperature": 20},
        {"temperature": 23.0},
    ),
    Command("turn off the hvac", "climate.hvac", "climate.set_hvac_mode", {"hvac_mode": "cool"}, "off"),
    Command(
        "set the volume of the walkman to 30 percent",
        "media_player.walkman",
        "media_player.volume_set",
        {"volume_level": 1.0},
        {"volume_level": 0.3},
    ),
    Command(
        "mute the bedroom",
        "media_player.bedroom",
        "media_player.volume_mute",
        {"is_volume_muted": False},
        {"is_volume_muted": True},
    ),
    Command("pause the lounge room", "media_player.lounge_room", "media_player.media_play", wanted="paused"),
    Command("play the walkman", "media_player.walkman", "media_player.media_pause", wanted="playing"),
    Command(
        "start the demo vacuum 0 ground floor",
        "vacuum.demo_vacuum_0_ground_floor",
        "vacuum.stop",
        wanted="cleaning",
    ),
    Command(
        "set the hygrostat to 45 percent",
        "humidifier.hygrostat",
        "humidifier.set_humidity",
        {"humidity": 50},
        {"humidity": 45},
    ),
    Command("turn off the dehumidifier", "humidifier.dehumidifier", "humidifier.turn_on", wanted="off"),
)
"""Sentences whose words leave one meaning, each with one thing."""
_WATER_HEATER = "water_heater.demo_water_heater"
UNDECIDED = (
    Command("make the AC work", "switch.ac", "switch.turn_off"),
    Command("set the ecobee to away", "climate.ecobee", "climate.set_preset_mode", {"preset_mode": "home"}),
    Command("set the hvac to fan only", "climate.hvac", "climate.set_hvac_mode", {"hvac_mode": "cool"}),
    Command("make the dehumidifier stronger", "humidifier.dehumidifier", "humidifier.turn_off"),
    Command("make the hygrostat economical", "humidifier.hygrostat", "humidifier.set_mode", {"mode": "home"}),
    Command("change the mode of the hygrostat", "humidifier.hygrostat", "humidifier.turn_off"),
    Command(
        "change the mode of the hvac to save energy",
        "climate.hvac",
        "climate.set_hvac_mode",
        {"hvac_mode": "cool"},
    ),
    Command(
        "set the hvac mode for a hot day", "climate.hvac", "climate.set_hvac_mode", {"hvac_mode": "heat"}
    ),
    Command(
        "change the ecobee mode, we are leaving",
        "climate.ecobee",
        "climate.set_preset_mode",
        {"preset_mode": "home"},
    ),
    Command(
        "set the mode of the demo water heater so that it saves",
        _WATER_HEATER,
        "water_heater.set_operation_mode",
        {"operation_mode": "performance"},
    ),
)
"""Sentences that leave several actions or values: the model decides, and may decide to change nothing."""
QUESTIONS = (
    "are the kitchen lights on?",
    "is the garage door open?",
    "is the front door locked now?",
    "what temperature is it outside right now?",
    "is the bed light on?",
    "what is the outside humidity?",
    "is the AC on?",
    "is the kitchen window open?",
    "are the decorative lights on?",
    "is the ceiling fan on?",
)
"""Questions about states."""
CHAT = (
    "what is the capital of France?",
    "how many legs has a spider?",
    "tell me a joke",
    "why is the sky blue?",
    "who wrote Romeo and Juliet?",
    "what is the largest ocean?",
    "how do I boil an egg?",
    "name three colors of the rainbow",
    "what is a good name for a cat?",
    "how far away is the moon?",
)
"""Questions that only the model can answer."""


@contextmanager
def demo_house(bundle: Bundle) -> Iterator[Installation]:
    """A Home Assistant with its demo house, locks included, that the node is ready for."""
    with installed(bundle, _CONFIGURATION) as house:
        home_assistant = house.home_assistant
        if home_assistant.entity(_LOCKS[0]) is None:  # what the demo needs has just been installed
            home_assistant.stop()
            home_assistant.start()
            wait(lambda: home_assistant.entity(_LOCKS[0]))
        house.expose_all(_LOCKS)
        house.wait_for_house(lambda ids: ids.issuperset(_LOCKS))
        yield house


def put_back(home_assistant: HomeAssistant, command: Command) -> None:
    """Have a command's entity as it is before it."""
    path = command.before.replace(".", "/")
    home_assistant.post(f"/api/services/{path}", entity_id=command.entity, **command.data)
