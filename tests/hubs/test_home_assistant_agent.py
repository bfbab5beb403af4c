"""The conversation agent in a real Home Assistant, with its demo house, a real broker and a node."""

import json
import time
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import HomeAssistant, access_token, speech
from tests.hubs.agent import (
    HOUSE,
    NEEDS_HOME_ASSISTANT,
    described,
    entry,
    expose,
    last_frame,
    pipeline,
    ready_devices,
    streamed,
)
from tests.processes import Broker, Service

pytestmark = NEEDS_HOME_ASSISTANT
NEEDS_THE_MODEL = "bring a bit of light to the bed"
LAMP = "light.bed_light"
POEM = "Write a very long poem about the sea."
SENTENCES = [
    ("Turn on the bed light", "light.bed_light", "on"),
    ("switch off the ceiling lights", "light.ceiling_lights", "off"),
    ("set the bed light to 30 percent", "light.bed_light", {"brightness": 76}),
    ("make the bed light brighter", "light.bed_light", {"brightness": 128}),
    ("make the bed light blue", "light.bed_light", {"color_mode": "hs"}),
    ("turn off the decorative lights", "switch.decorative_lights", "off"),
    ("turn on the AC", "switch.ac", "on"),
    ("open the hall window", "cover.hall_window", "opening"),
    ("set the living room window to 40 percent", "cover.living_room_window", {"current_position": 40}),
    ("turn on the ceiling fan", "fan.ceiling_fan", "on"),
    ("set the ceiling fan to 66 percent", "fan.ceiling_fan", {"percentage": 66}),
    ("set the heat pump to 21 degrees", "climate.heatpump", {"temperature": 21.0}),
    ("make the hvac warmer", "climate.hvac", {"temperature": 22.0}),
    ("turn off the hvac", "climate.hvac", "off"),
    ("set the volume of the living room to 20 percent", "media_player.living_room", {"volume_level": 0.2}),
    ("mute the bedroom", "media_player.bedroom", {"is_volume_muted": True}),
    ("pause the walkman", "media_player.walkman", "paused"),
    ("resume the walkman", "media_player.walkman", "playing"),
    ("start demo vacuum 0 ground floor", "vacuum.demo_vacuum_0_ground_floor", "cleaning"),
    ("send demo vacuum 0 ground floor back to its base", "vacuum.demo_vacuum_0_ground_floor", "returning"),
]


def act_is_warm(home_assistant: HomeAssistant, agent: str, hub: Hub) -> bool:
    """Say what words alone do not settle; whether it is done, and the house was not computed for it."""
    home_assistant.post("/api/services/light/turn_on", entity_id=LAMP, brightness=20)
    answer = home_assistant.say(NEEDS_THE_MODEL, agent)
    assert answer["response"]["data"]["success"], speech(answer)
    usage = eventually(lambda: last_frame(hub).get("usage"))
    return bool(usage["prompt_tokens"] > 1000 and usage["cached_tokens"] > usage["prompt_tokens"] - 100)


def test_what_is_exposed_is_the_house(home_assistant: HomeAssistant, agent_hub: Hub) -> None:
    devices = described(agent_hub)
    assert len(devices) > 40
    assert devices["light.bed_light"]["capabilities"]["brightness"]["max"] == 100
    assert devices["climate.heatpump"]["capabilities"]["temperature"]["unit"] == "°C"
    assert not any("state" in device for device in devices.values())

    area = home_assistant.ask("config/area_registry/create", name="Attic", aliases=["loft"])
    light = home_assistant.ask("config/entity_registry/get", entity_id="light.bed_light")
    home_assistant.ask("config/device_registry/update", device_id=light["device_id"], area_id=area["area_id"])
    eventually(lambda: described(agent_hub)["light.bed_light"].get("area") == area["area_id"])
    published = len(agent_hub.on(HOUSE))
    home_assistant.post("/api/services/light/turn_on", entity_id="light.ceiling_lights")
    time.sleep(6)
    assert len(agent_hub.on(HOUSE)) == published  # a state is no change of the house


def test_the_speakers_area_says_which_one_is_meant(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub
) -> None:
    satellite = home_assistant.ask("config/entity_registry/get", entity_id="light.bed_light")["device_id"]
    area = home_assistant.ask("config/area_registry/create", name="Bedroom")["area_id"]
    home_assistant.ask("config/device_registry/update", device_id=satellite, area_id=area)
    eventually(lambda: described(agent_hub)["light.bed_light"].get("area") == area)
    eventually(lambda: ready_devices(agent_hub))
    home_assistant.post("/api/services/light/turn_on", entity_id="light.bed_light")
    streamed(home_assistant, agent, "turn off the light", satellite)
    eventually(lambda: home_assistant.state("light.bed_light") == "off")
    assert home_assistant.state("light.ceiling_lights") == "on"


@pytest.mark.parametrize(("sentence", "entity", "wanted"), SENTENCES, ids=[each[0] for each in SENTENCES])
def test_a_sentence_changes_what_it_names(
    home_assistant: HomeAssistant, agent: str, sentence: str, entity: str, wanted: str | dict[str, Any]
) -> None:
    answer = home_assistant.say(sentence, agent)
    assert answer["response"]["data"]["success"][0]["id"] == entity, speech(answer)

    def is_so() -> bool:
        state = home_assistant.get(f"/api/states/{entity}")
        if isinstance(wanted, str):
            return bool(state["state"] == wanted)
        return all(state["attributes"].get(name) == value for name, value in wanted.items())

    eventually(is_so, 20)


def test_it_asks_back_and_takes_the_answer(home_assistant: HomeAssistant, agent: str) -> None:
    asked = home_assistant.say("start the vacuum", agent)
    assert asked["continue_conversation"]
    answered = home_assistant.say(
        "the one on the second floor", agent, conversation_id=asked["conversation_id"]
    )
    assert answered["response"]["data"]["success"][0]["id"] == "vacuum.demo_vacuum_2_second_floor"
    assert not answered["continue_conversation"]


def test_a_lock_is_asked_about_first(home_assistant: HomeAssistant, agent: str) -> None:
    asked = home_assistant.say("unlock the front door", agent)
    assert asked["continue_conversation"]
    assert home_assistant.state("lock.front_door") == "locked"
    refused = home_assistant.say("no", agent, conversation_id=asked["conversation_id"])
    assert not refused["response"]["data"]["success"]

    asked = home_assistant.say("unlock the front door", agent)
    home_assistant.say("yes", agent, conversation_id=asked["conversation_id"])
    eventually(lambda: home_assistant.state("lock.front_door") == "unlocked")


def test_states_are_told_as_home_assistant_has_them(home_assistant: HomeAssistant, agent: str) -> None:
    home_assistant.post("/api/services/light/turn_off", entity_id="light.kitchen_lights")
    answer = home_assistant.say("are the kitchen lights on?", agent)
    assert answer["response"]["response_type"] == "query_answer"
    assert speech(answer) == "No. Kitchen Lights: off."


def test_a_node_that_is_asked_too_often_is_asked_again(home_assistant: HomeAssistant, agent: str) -> None:
    answers = [home_assistant.say("are the kitchen lights on?", agent) for _ in range(30)]
    assert {answer["response"]["response_type"] for answer in answers} == {"query_answer"}


def test_what_fails_is_said_to_have_failed(home_assistant: HomeAssistant, agent: str, agent_hub: Hub) -> None:
    expose(home_assistant, "light.office_rgbw_lights", exposed=False)  # the node does not know yet
    answer = home_assistant.say("turn off the office RGBW lights", agent)
    assert answer["response"]["response_type"] == "error"
    assert "Office RGBW Lights" in speech(answer)
    assert home_assistant.state("light.office_rgbw_lights") == "on"
    eventually(lambda: "light.office_rgbw_lights" not in described(agent_hub))
    expose(home_assistant, "light.office_rgbw_lights")


def test_an_answer_is_streamed_and_calls_stand_in_the_chat_log(
    home_assistant: HomeAssistant, agent: str
) -> None:
    deltas = streamed(home_assistant, agent, POEM)
    assert len([delta for delta in deltas if delta.get("content")]) > 5

    deltas = streamed(home_assistant, agent, "turn on the kitchen lights")
    assert [delta["tool_calls"][0]["tool_name"] for delta in deltas if "tool_calls" in delta] == [
        "HassTurnOn"
    ]
    assert [delta["result"]["error"] for delta in deltas if delta.get("role") == "tool_result"] == [False]


def test_a_request_that_is_dropped_is_cancelled(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub
) -> None:
    run = pipeline(home_assistant, agent, POEM)
    seen = len(agent_hub.on(TOPICS.stream("homeassistant")))
    with connect(f"ws://127.0.0.1:{home_assistant.port}/api/websocket") as socket:
        socket.recv(10)
        socket.send(json.dumps({"type": "auth", "access_token": access_token()}))
        socket.recv(10)
        socket.send(json.dumps({"id": 1, "type": "assist_pipeline/run", **run}))
        eventually(lambda: len(agent_hub.on(TOPICS.stream("homeassistant"))) > seen + 3)
    eventually(lambda: agent_hub.on(TOPICS.cancel("homeassistant")))
    eventually(lambda: last_frame(agent_hub)["type"] == "done")
    assert last_frame(agent_hub)["finish_reason"] == "cancelled"


def test_a_node_that_is_away_is_said_at_once_in_the_users_language(
    home_assistant: HomeAssistant, agent: str, service: Service, agent_hub: Hub
) -> None:
    service.stop()
    eventually(lambda: home_assistant.state(agent) == "unavailable")
    began = time.monotonic()
    answer = home_assistant.say("Mach das Licht an", agent, language="de")
    assert time.monotonic() - began < 2
    assert answer["response"]["response_type"] == "error"
    assert speech(answer).startswith("Ich kann nicht antworten")

    service.restart()
    eventually(lambda: home_assistant.state(agent) != "unavailable")
    eventually(lambda: ready_devices(agent_hub))
    assert act_is_warm(home_assistant, agent, agent_hub)


def test_after_a_restart_of_the_broker_it_goes_on(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub, broker: Broker
) -> None:
    houses, infos = len(agent_hub.on(HOUSE)), len(agent_hub.on(TOPICS.info))
    broker.kill()  # it keeps nothing: neither the house nor who has subscribed
    answer = home_assistant.say("turn on the bed light", agent)
    assert answer["response"]["response_type"] == "error"
    broker.start()
    eventually(lambda: len(agent_hub.on(HOUSE)) > houses and len(agent_hub.on(TOPICS.info)) > infos)
    eventually(lambda: ready_devices(agent_hub) == len(described(agent_hub)))
    for sentence, state in (("turn off the bed light", "off"), ("turn on the bed light", "on")):
        answer = home_assistant.say(sentence, agent)
        assert answer["response"]["data"]["success"], speech(answer)
        assert home_assistant.state("light.bed_light") == state


def test_after_a_restart_of_home_assistant_it_is_the_same_agent_and_acts(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub
) -> None:
    def known() -> list[Any]:
        parts = home_assistant.ask("config_entries/subentries/list", entry_id=entry(home_assistant))
        return [
            entry(home_assistant),
            parts,
            home_assistant.ask("config/entity_registry/get", entity_id=agent),
        ]

    before = known()
    home_assistant.stop()
    home_assistant.start()
    eventually(lambda: home_assistant.state(agent) != "unavailable")
    assert known() == before
    assert act_is_warm(home_assistant, agent, agent_hub)
