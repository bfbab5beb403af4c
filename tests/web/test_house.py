"""What the house and the node tell stands on the page as soon as it changes."""

from typing import Any

from tests.web.page import Page
from tests.web.samples import HOUSE, call, done, house, telemetry
from tests.web.stub import Stub

NOTHING = "\N{EN DASH}"


def _says(stub: Stub, text: str, outcome: str, **act: Any) -> None:
    end = done(text, act={"outcome": outcome, **act})
    stub.says(("done", end))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def test_rooms_devices_and_states_follow_the_house(page: Page, stub: Stub) -> None:
    page.until(lambda: page.texts(".room h3") == ["Kitchen", "Living room", "Hall"])
    state = "[data-device='light.kitchen_light'] .state"
    assert page.text(state) == "off"
    assert page.text("[data-device='light.sofa_lamp'] .state") == "on · 40 %"
    assert page.text("[data-device='climate.thermostat'] .state") == "heating · 20.5°"
    assert page.text("[data-device='binary_sensor.front_door'] .state") == "closed"
    assert page.text("[data-device='sensor.kitchen_thermometer'] .state") == "21.5 °C"
    stub.tell("house", house(kitchen_light="on"))
    page.until(lambda: page.text(state) == "on")


def test_a_device_that_is_away_says_so(page: Page, stub: Stub) -> None:
    devices = [{**device, "available": False} for device in HOUSE["devices"][:1]]
    stub.tell("house", {"areas": [], "devices": devices})
    page.until(lambda: page.texts(".device .state") == ["unavailable"])
    assert page.texts(".room h3") == ["Elsewhere"]


def test_an_act_is_a_card_for_each_device_confirmed_or_not(page: Page, stub: Stub) -> None:
    calls = [
        call("HassTurnOn", "light.kitchen_light", name="Kitchen light"),
        call("HassTurnOff", "cover.blinds", name="Blinds"),
        call("HassLightSet", "light.sofa_lamp", name="Sofa lamp", brightness=70),
    ]
    _says(stub, "Some of it.", "sent", candidates=["Blinds"], carried_out=calls)
    page.ask("Do it")
    assert [card.get_attribute("data-mark") for card in page.all(".act")] == ["done", "sent", "done"]
    kitchen, blinds, sofa = map(_lines, page.texts(".act"))
    assert kitchen[:3] == ["Kitchen light", "Turn on", "Confirmed"]
    assert blinds[:3] == ["Blinds", "Close", "Sent, no answer"]
    assert sofa[:2] == ["Sofa lamp", "Brightness 70 %"]
    stub.tell("house", house(kitchen_light="on"))
    page.until(lambda: "now: on" in page.texts(".act")[0])


def test_an_act_that_failed_says_so(page: Page, stub: Stub) -> None:
    calls = [call("HassTurnOn", "light.kitchen_light", name="Kitchen light")]
    _says(stub, "No.", "failed", candidates=["Kitchen light"], carried_out=calls)
    page.ask("Do it")
    assert "Failed" in page.text(".act[data-mark=failed]")


def test_calls_that_nobody_carried_out_are_told_from_those_that_were(page: Page, stub: Stub) -> None:
    calls = [call("HassTurnOff", "lock.front_door_lock", name="Front door lock")]
    stub.says(("call", {"index": 0, "call": calls[0]}), ("done", done("", calls=calls)))
    page.ask("Do it")
    assert _lines(page.text(".act[data-mark=asked]"))[:3] == [
        "Front door lock",
        "Unlock",
        "Left to your hub",
    ]


def test_what_is_asked_first_is_answered_by_a_button(page: Page, stub: Stub) -> None:
    _says(stub, "Yes or no?", "confirm", candidates=["Front door lock"])
    page.ask("Unlock the front door")
    assert "Front door lock" in page.text(".act[data-mark=confirm]")
    _says(
        stub,
        "Unlocked.",
        "done",
        carried_out=[call("HassTurnOff", "lock.front_door_lock", name="Front door lock")],
    )
    page.the(".yes").click()
    page.until(lambda: page.all(".act[data-mark=done]"))
    assert [body["text"] for body in stub.asked()] == ["Unlock the front door", "Yes"]
    assert page.all(".yes, .no") == []
    assert len({body["session"] for body in stub.asked()}) == 1


def test_no_is_a_button_too(page: Page, stub: Stub) -> None:
    _says(stub, "Yes or no?", "confirm", candidates=["Front door lock"])
    page.ask("Unlock the front door")
    page.the(".no").click()
    page.until(lambda: len(stub.asked()) == 2)
    assert stub.asked()[1]["text"] == "No"


def test_of_several_that_were_meant_one_is_chosen(page: Page, stub: Stub) -> None:
    _says(stub, "Which one?", "unclear", candidates=["Kitchen light", "Sofa lamp"])
    page.ask("Turn on the lamp")
    assert page.texts(".candidate") == ["Kitchen light", "Sofa lamp"]
    page.all(".candidate")[1].click()
    page.until(lambda: len(stub.asked()) == 2)
    assert stub.asked()[1]["text"] == "Sofa lamp"


def test_a_question_that_was_taken_for_a_command_is_asked_as_one(page: Page, stub: Stub) -> None:
    _says(stub, "I cannot do that here.", "impossible")
    page.ask("Name three ways to save energy")
    stub.says(("done", done("One, two, three.")))
    page.the(".answer").click()
    page.until(lambda: "One, two, three." in page.text(".turn-reply"))
    assert [body["act"] for body in stub.asked()] == ["auto", None]
    assert page.texts(".turn-user") == ["Name three ways to save energy"]


def test_the_node_its_state_and_its_figures_are_shown_as_they_change(page: Page, stub: Stub) -> None:
    page.until(lambda: page.text("h1") == "cupboard")
    assert page.text(".node-state") == "online"
    assert "SmolLM2-135M-Instruct" in page.text(".node")
    page.until(lambda: page.text("[data-tile=power] .value") == "9.5 W")
    assert page.text("[data-tile=memory] .value") == "455 MB"
    assert page.text("[data-tile=load] .value") == "20 %"
    assert len(page.all(".core")) == 4
    for seq in range(1, 6):
        stub.tell("telemetry", telemetry(seq))
    page.until(lambda: page.text("[data-tile=load] .value") == "55 %")
    line = page.the("[data-tile=load] .spark")
    assert line.get_attribute("aria-label") == "Load: 55 %; the last 6 values from 20 to 55"
    stub.tell("state", {"state": "offline"})
    page.until(lambda: page.text(".node-state") == "offline")


def test_speed_first_token_and_energy_are_those_of_the_replies(page: Page) -> None:
    assert page.text("[data-tile=speed] .value") == NOTHING
    page.ask("one")
    page.ask("two")
    assert page.text("[data-tile=speed] .value") == "97.4 tokens/s"
    assert page.text("[data-tile=first] .value") == "42 ms"
    assert page.text("[data-tile=energy] .value") == "5.2 J"
    assert len(page.all("[data-tile=speed] .spark")) == 1


def test_power_that_is_not_measured_is_no_zero(page: Page, stub: Stub) -> None:
    stub.first[3] = ("telemetry", telemetry(watts=None))
    page.open()
    page.until(lambda: "no power meter" in page.text("[data-tile=power]"))
    assert page.text("[data-tile=power] .value") == NOTHING
    assert "RAPL" in str(page.the("[data-tile=power]").get_attribute("title"))
