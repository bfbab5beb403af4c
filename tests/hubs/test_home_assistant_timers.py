"""What Home Assistant does by itself before the node is asked, in a real Home Assistant."""

from datetime import date
from typing import Any

import pytest

from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import GUEST, HomeAssistant, speech
from tests.hubs.agent import NEEDS_HOME_ASSISTANT, expose, pipeline, ready_devices
from tests.processes import Service

pytestmark = NEEDS_HOME_ASSISTANT
CANNOT = "I cannot do that here."
FAN, LAMP, WEATHER = "fan.ceiling_fan", "light.bed_light", "weather.demo_weather_south"


@pytest.fixture(scope="module")
def satellite(home_assistant: HomeAssistant) -> str:
    """A device that has timers."""
    device: str = home_assistant.ask("config/entity_registry/get", entity_id=LAMP)["device_id"]
    home_assistant.post("/api/services/timer_device/register", device_id=device)
    return device


def timer(home_assistant: HomeAssistant, name: str = "unnamed") -> str | None:
    """What the device has heard last of a timer."""
    known = home_assistant.entity(rf"timer_device\.{name}")
    return home_assistant.state(known) if known else None


def said_at(home_assistant: HomeAssistant, device: str | None, text: str, agent: str, **fields: Any) -> Any:
    """What an agent answers somebody at a device."""
    return home_assistant.ask(
        "conversation/process", text=text, agent_id=agent, device_id=device, language="en", **fields
    )


def asked(hub: Hub) -> int:
    """The number of requests that the node has had."""
    return len(hub.on(TOPICS.request("homeassistant")))


def test_a_timer_is_set_asked_for_and_cancelled(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub, satellite: str
) -> None:
    before = asked(agent_hub)
    answer = said_at(home_assistant, satellite, "set a timer for five minutes", agent)
    assert speech(answer).strip() == "Timer set for five minutes"
    assert timer(home_assistant) == "started"
    left = speech(said_at(home_assistant, satellite, "how much time is left on the timer", agent))
    assert "left" in left
    assert "minutes" in left
    said_at(home_assistant, satellite, "cancel the timer", agent)
    assert timer(home_assistant) == "cancelled"
    assert asked(agent_hub) == before

    log = home_assistant.ask(
        "conversation/chat_log/subscribe",
        until=lambda event: event["event_type"] == "initial_state",
        conversation_id=answer["conversation_id"],
    )[-1]["data"]
    said = [each["content"] for each in log["content"] if each["role"] == "assistant" and each.get("content")]
    assert said == [speech(answer)]


def test_a_timer_ends_at_its_device(home_assistant: HomeAssistant, agent: str, satellite: str) -> None:
    said_at(home_assistant, satellite, "start a 1 second timer named tea", agent)
    eventually(lambda: timer(home_assistant, "tea") == "finished")


def test_where_there_are_no_timers_that_is_said(home_assistant: HomeAssistant, agent: str) -> None:
    answer = said_at(home_assistant, None, "set a timer for five minutes", agent)
    assert speech(answer) == "Sorry, timers are not supported on this device"
    assert answer["response"]["response_type"] == "error"


def test_a_command_is_carried_out_later_by_the_node(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub
) -> None:
    home_assistant.post("/api/services/fan/turn_off", entity_id=FAN)
    before = asked(agent_hub)
    answer = home_assistant.say("turn on the ceiling fan in 1 second", agent)
    assert answer["response"]["response_type"] == "action_done", speech(answer)
    eventually(lambda: home_assistant.state(FAN) == "on")
    eventually(lambda: asked(agent_hub) == before + 1)


def test_who_may_not_control_all_has_nothing_done_later(home_assistant: HomeAssistant, agent: str) -> None:
    answer = home_assistant.say_as(GUEST, "turn off the ceiling fan in 1 second", agent)
    assert speech(answer) == CANNOT


def test_the_clock_and_the_weather_are_home_assistants(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub
) -> None:
    expose(home_assistant, WEATHER)
    before = asked(agent_hub)
    assert str(date.today().year) in speech(home_assistant.say("what is the date", agent))  # noqa: DTZ011 - its clock
    assert ":" in speech(home_assistant.say("what time is it", agent))
    assert "21.6 °C" in speech(home_assistant.say("what is the weather like", agent))
    assert asked(agent_hub) == before

    expose(home_assistant, WEATHER, exposed=False)
    for text in ("what is the weather like", "announce that dinner is ready"):  # there is no satellite
        answer = home_assistant.say(text, agent)
        assert answer["response"]["response_type"] == "error"
        assert speech(answer) == CANNOT
    assert asked(agent_hub) == before


def test_an_answer_is_the_nodes(home_assistant: HomeAssistant, agent: str) -> None:
    question = home_assistant.say("unlock the front door", agent)
    conversation = {"conversation_id": question["conversation_id"]}
    assert question["continue_conversation"]
    home_assistant.say("never mind", agent, **conversation)
    home_assistant.say("yes", agent, **conversation)
    assert home_assistant.state("lock.front_door") == "locked"


def test_a_pipeline_that_prefers_local_handling_sets_one_timer(
    home_assistant: HomeAssistant, agent: str, satellite: str
) -> None:
    for text, is_local in (("start a 9 minute timer named eggs", True), ("tell me about the sea", False)):
        run = pipeline(home_assistant, agent, text, satellite, prefer_local=True)
        events = home_assistant.ask(
            "assist_pipeline/run", until=lambda event: event["type"] == "run-end", **run
        )
        end = next(each["data"] for each in events if each["type"] == "intent-end")
        assert end["processed_locally"] == is_local
    said_at(home_assistant, satellite, "cancel the eggs timer", agent)  # which is refused if there are two
    assert timer(home_assistant, "eggs") == "cancelled"


def test_all_that_goes_on_while_the_node_is_away(
    home_assistant: HomeAssistant, agent: str, agent_hub: Hub, satellite: str, service: Service
) -> None:
    service.stop()
    eventually(lambda: home_assistant.state(agent) == "unavailable")
    said_at(home_assistant, satellite, "set a timer for 2 minutes named rice", agent)
    assert timer(home_assistant, "rice") == "started"
    assert ":" in speech(home_assistant.say("wie spät ist es", agent, language="de"))
    assert home_assistant.say("turn on the bed light", agent)["response"]["response_type"] == "error"
    service.restart()
    eventually(lambda: home_assistant.state(agent) != "unavailable")
    eventually(lambda: ready_devices(agent_hub))
    answer = home_assistant.say("turn on the bed light", agent)
    assert answer["response"]["data"]["success"], speech(answer)
