"""`edge-llm voice` before a real node in the demo's house: Wyoming's client, and config/voice/room.py."""

import asyncio
import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wyoming.asr import Transcript
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.info import Describe, Info

from edge_llm.cli.commands.demo import ACTING
from edge_llm.config import MqttSettings
from edge_llm.demo.house import SimulatedHouse
from tests import voice
from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.processes import Broker, Documents, Nodes

WAIT_S = 60
ROUTE = {
    "topic": "home/{room}/say",
    "answer": "home/{room}/answer",
    "act": True,
    "area": "{room}",
    "session": "{room}",
}
"""As docs/voice.md has it."""


@pytest.fixture(scope="module")
def house(broker: Broker, module_node: Nodes) -> Iterator[SimulatedHouse]:
    hub = Hub(broker.port, TOPICS.info)
    with SimulatedHouse(MqttSettings(host="127.0.0.1", port=broker.port)) as house:
        module_node(**ACTING, routes=json.dumps([ROUTE]))
        eventually(
            lambda: any(json.loads(info).get("house", {}).get("ready") for info in hub.on(TOPICS.info))
        )
        yield house
    hub.close()


@pytest.fixture(scope="module")
def uri(house: SimulatedHouse, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with voice.running(broker, tmp_path_factory.mktemp("voice"), voice__area="Living room") as uri:
        yield uri


def exchange(uri: str, sent: Event, last: str = "") -> list[Event]:
    """Send an event by a connection of its own, and hear up to an answer of one event, or up to ``last``."""

    async def exchanged() -> list[Event]:
        heard: list[Event] = []
        async with AsyncClient.from_uri(uri) as client:
            await client.write_event(sent)
            while not heard or (last and heard[-1].type not in (last, "handled", "not-handled")):
                event = await client.read_event()
                assert event
                heard.append(event)
        return heard

    return asyncio.run(asyncio.wait_for(exchanged(), WAIT_S))


def test_it_describes_itself(uri: str) -> None:
    def described() -> Info:
        return Info.from_event(exchange(uri, Describe().event())[0])

    info = eventually(lambda: found if (found := described()).handle[0].models[0].languages else None)
    assert info.handle[0].models[0].languages == ["en"]
    assert info.handle[0].supports_home_control


def test_what_was_heard_is_done_and_told(uri: str, house: SimulatedHouse) -> None:
    [handled] = exchange(uri, Transcript("Turn on the coffee maker.").event())
    assert (handled.type, handled.data["text"]) == ("handled", "Turned on Coffee maker.")
    house.wait_idle()
    assert house.state("Coffee maker")["state"] == "on"
    [not_handled] = exchange(uri, Transcript("Lock the coffee maker.").event())
    assert not_handled.type == "not-handled"
    assert not_handled.data["text"]


def test_a_yes_is_understood_by_another_connection_with_the_context(uri: str, house: SimulatedHouse) -> None:
    """That is how Home Assistant has it."""
    [asked] = exchange(uri, Transcript("Lock the front door.").event())
    assert asked.data["text"].endswith("?")
    context = asked.data["context"]
    [handled] = exchange(uri, Transcript("Yes.", context).event())
    assert (handled.type, handled.data["context"]) == ("handled", context)
    house.wait_idle()
    assert house.state("Front door lock")["state"] == "locked"


def test_the_area_is_the_servers_unless_the_caller_says_it(uri: str, house: SimulatedHouse) -> None:
    exchange(uri, Transcript("Turn on the light.").event())
    exchange(uri, Transcript("Turn on the light.", {"area": "Bedroom"}).event())
    house.wait_idle()
    lights = ("Sofa lamp", "Bedside lamp", "Kitchen light")
    assert [house.state(light)["state"] for light in lights] == ["on", "on", "off"]


def test_a_misheard_name_moves_nothing_here_and_a_yes_what_it_sounds_like(
    uri: str, house: SimulatedHouse
) -> None:
    before = {light: house.state(light)["state"] for light in ("Sofa lamp", "Hall light")}
    was = before["Hall light"]
    said = f"Switch the hull light {'off' if was == 'on' else 'on'}."
    [asked] = exchange(uri, Transcript(said).event())
    assert asked.data["text"] == "Do you mean Hall light?"
    house.wait_idle()
    assert {light: house.state(light)["state"] for light in before} == before
    exchange(uri, Transcript("Yes.", asked.data["context"]).event())
    house.wait_idle()
    assert house.state("Sofa lamp")["state"] == before["Sofa lamp"]
    assert house.state("Hall light")["state"] != was


def test_talk_is_answered_aloud(uri: str) -> None:
    heard = exchange(uri, Transcript("What is the capital of Japan?").event(), "handled-stop")
    whole = next(event for event in heard if event.type == "handled")
    assert "Tokyo" in whole.data["text"]


def test_the_papers_answer_aloud_and_commands_are_done_as_ever(
    house: SimulatedHouse, broker: Broker, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "dishwasher.md").write_text("# Dishwasher\n\n## E15\nThe tap is closed. Open the tap.\n")
    papers = Documents(broker.port, None, tmp_path / "documents.log", documents__folder=folder)
    papers.wait_serving()
    with voice.running(broker, tmp_path, "--documents") as uri:
        question = Transcript("What does error E15 on the dishwasher mean?").event()
        handled = exchange(uri, question, "handled-stop")[-1]
        assert "tap" in handled.data["text"].casefold()
        [handled] = exchange(uri, Transcript("Turn off the hall light.").event())
        assert handled.data["text"] == "Turned off Hall light."
    assert papers.stop() == 0
    house.wait_idle()
    assert house.state("Hall light")["state"] == "off"


def wav(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
        file.writeframes(bytes(8000))
    return path


def run_room(*options: str, **fields: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(voice.EXAMPLE), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, **fields, check=False)


def test_the_example_hears_a_file_and_answers_into_one(
    uri: str, house: SimulatedHouse, tmp_path: Path
) -> None:
    programs = voice.Programs("Turn the fan on.")
    out = tmp_path / "answer.wav"
    with programs as speech:
        ended = run_room(
            *("--hear", speech, "--ask", uri, "--speak", speech),
            *("--wav", str(wav(tmp_path / "command.wav")), "--out", str(out)),
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "> Turn the fan on.\nTurned on Fan.\n"
    assert programs.spoken == ["Turned on Fan."]
    with wave.open(str(out)) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 800)
    house.wait_idle()
    assert house.state("Fan")["state"] == "on"


def test_the_example_listens_after_a_wake_word_and_after_a_question(
    uri: str, house: SimulatedHouse, tmp_path: Path
) -> None:
    """With programs in place of a microphone, which can be opened twice, and of a loudspeaker."""
    for name, script in {"arecord": "exec cat /dev/zero", "aplay": "exec cat >>played"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    house.set("Front door lock", state="locked")
    programs = voice.Programs("Unlock the front door.", "Yes, please.", endpoint=3)
    with programs as speech:
        room = subprocess.Popen(
            [
                *(sys.executable, str(voice.EXAMPLE), "--wake", speech, "--wake-word", "hey_jarvis"),
                *("--area", "Hall", "--hear", speech, "--ask", uri, "--speak", speech),
            ],
            env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: len(programs.spoken) >= 2)
        finally:
            room.terminate()
            room.wait()
    assert programs.waited_for[0] == "hey_jarvis"
    assert programs.spoken[0].endswith("?")
    assert programs.spoken[1] == "Unlocked Front door lock."
    assert (tmp_path / "played").stat().st_size >= 1600
    house.wait_idle()
    assert house.state("Front door lock")["state"] == "unlocked"


def test_a_room_that_speaks_by_a_route_hears_its_answer(broker: Broker, house: SimulatedHouse) -> None:
    def say(text: str) -> str:
        told = subprocess.run(
            [
                *("mosquitto_rr", "-V", "311", "-p", str(broker.port), "-q", "1", "-W", str(WAIT_S)),
                *("-t", "home/bedroom/say", "-e", "home/bedroom/answer", "-m", text),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.strip()

    assert say("Close the curtain.") == "Closed Curtain."
    house.wait_idle()
    assert house.state("Curtain")["state"] == "closed"


def test_the_example_says_in_one_line_who_is_away(tmp_path: Path) -> None:
    ended = run_room("--hear", "tcp://127.0.0.1:9", "--wav", str(wav(tmp_path / "command.wav")))
    assert ended.returncode == 1
    assert ended.stderr.startswith("room.py: ")
    assert ended.stderr.count("\n") == 1
