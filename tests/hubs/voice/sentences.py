"""Forty commands that are spoken to the demo's house, from its living room, and what each is to come to.

Written before any of them was heard by a recogniser. Numbers are as somebody says them.
"""

from tests.integration.demo_sentences import CLOSED, OFF, ON, Sentence

OPEN = {"state": "open", "position": 100}
SPOKEN = (
    # Switched on and off.
    Sentence("Turn on the kitchen light.", {"Kitchen light": ON}),
    Sentence("Switch off the hall light.", {"Hall light": OFF}),
    Sentence("Turn the sofa lamp on, please.", {"Sofa lamp": ON}),
    Sentence("Turn the bedside lamp off.", {"Bedside lamp": OFF}, start={"Bedside lamp": ON}),
    Sentence("Turn on the coffee maker.", {"Coffee maker": ON}),
    Sentence("Please switch the coffee maker off.", {"Coffee maker": OFF}, start={"Coffee maker": ON}),
    Sentence("Turn on the fan.", {"Fan": {"state": "on", "speed": 100}}),
    Sentence("Turn off the bedroom fan.", {"Fan": OFF}, start={"Fan": {"state": "on", "speed": 100}}),
    Sentence("Turn off the thermostat.", {"Thermostat": OFF}),
    Sentence("Could you turn the kitchen light off?", {"Kitchen light": OFF}, start={"Kitchen light": ON}),
    # A brightness, a color.
    Sentence("Set the sofa lamp to thirty percent.", {"Sofa lamp": {"state": "on", "brightness": 30}}),
    Sentence("Dim the bedside lamp to ten percent.", {"Bedside lamp": {"state": "on", "brightness": 10}}),
    Sentence(
        "Set the kitchen light to sixty percent brightness.",
        {"Kitchen light": {"state": "on", "brightness": 60}},
    ),
    Sentence("Turn the hall light down to twenty percent.", {"Hall light": {"brightness": 20}}),
    Sentence("Make the sofa lamp blue.", {"Sofa lamp": {"state": "on", "color": "blue"}}),
    Sentence("Change the bedside lamp to red.", {"Bedside lamp": {"state": "on", "color": "red"}}),
    Sentence("Turn the sofa lamp green.", {"Sofa lamp": {"state": "on", "color": "green"}}),
    Sentence("Set the bedside lamp to purple.", {"Bedside lamp": {"state": "on", "color": "purple"}}),
    # Blinds and curtains.
    Sentence("Close the blinds.", {"Blinds": CLOSED}),
    Sentence("Open the blinds.", {"Blinds": OPEN}, start={"Blinds": CLOSED}),
    Sentence("Lower the blinds.", {"Blinds": CLOSED}),
    Sentence("Set the blinds to forty percent.", {"Blinds": {"position": 40}}),
    Sentence("Close the bedroom curtain.", {"Curtain": CLOSED}),
    Sentence("Open the curtain in the bedroom.", {"Curtain": OPEN}, start={"Curtain": CLOSED}),
    Sentence(
        "Open the blinds halfway.", {"Blinds": {"state": "open", "position": 50}}, start={"Blinds": CLOSED}
    ),
    # Warmth, wind.
    Sentence("Set the thermostat to twenty two degrees.", {"Thermostat": {"temperature": 22.0}}),
    Sentence(
        "Set the temperature in the living room to nineteen degrees.", {"Thermostat": {"temperature": 19.0}}
    ),
    Sentence("Turn the heating up to twenty one and a half degrees.", {"Thermostat": {"temperature": 21.5}}),
    Sentence("Set the fan to sixty seven percent.", {"Fan": {"state": "on", "speed": 67}}),
    # Rooms, groups, two at once.
    Sentence("Turn on the light.", {"Sofa lamp": ON}),
    Sentence("Turn on the lights in the bedroom.", {"Bedside lamp": ON}),
    Sentence(
        "Turn off all the lights in the house.",
        {"Kitchen light": OFF, "Hall light": OFF},
        start={"Kitchen light": ON},
        asks=True,
    ),
    Sentence("Turn on the bedside lamp and close the curtain.", {"Bedside lamp": ON, "Curtain": CLOSED}),
    Sentence(
        "Turn off the sofa lamp and the hall light.",
        {"Sofa lamp": OFF, "Hall light": OFF},
        start={"Sofa lamp": ON},
    ),
    Sentence("Lock the front door.", {"Front door lock": {"state": "locked"}}, asks=True),
    # Questions.
    Sentence("Is the hall light on?", answer=r"(?i)\b(yes|on)\b"),
    Sentence("Are the blinds open?", answer=r"(?i)\b(yes|open)\b"),
    Sentence("What is the temperature in the kitchen?", answer=r"21[.,]5"),
    Sentence("Is the front door locked?", answer=r"(?i)\b(no|not|unlocked)\b"),
    Sentence("Which lights are on?", answer=r"(?i)\bhall light\b"),
)
