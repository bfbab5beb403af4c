"""The profile `voice` of the compose file: what is said in the room moves a house, and is answered."""

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from wyoming.audio import AudioChunk, AudioChunkConverter

from edge_llm.config import MqttSettings
from edge_llm.demo.house import SimulatedHouse
from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.hubs.voice import espeak
from tests.hubs.voice.containers import PROGRAMS, Containers
from tests.hubs.voice.words import same_words, words

_RATE = 16000
_AUDIO = "29"
"""Debian's group of sound cards."""
_MODEL_S = 120
"""Seconds in which all programs have loaded their models."""
CONFINED = ("voice", "satellite", *PROGRAMS)


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    containers = Containers(tmp_path_factory.mktemp("voice"))
    containers("build", "node", "satellite", *PROGRAMS)
    try:
        containers("up", "--detach", "--no-build")
        yield containers
    finally:
        containers("down", "--volumes")


@pytest.fixture(scope="module")
def house(containers: Containers) -> Iterator[SimulatedHouse]:
    """The demo's house at the broker, which the node has read."""
    with SimulatedHouse(MqttSettings(host="127.0.0.1", port=containers.port)) as house:
        hub = Hub(containers.port, TOPICS.info)
        eventually(lambda: hub.on(TOPICS.info) and b'"ready":true' in hub.on(TOPICS.info)[-1], _MODEL_S)
        hub.close()
        yield house


def say(text: str, path: Path) -> None:
    """Speak a text into a file, as a microphone hears it; it is there when it is whole."""
    whole = path.with_suffix(".part")
    espeak.write(text, whole)
    with wave.open(str(whole)) as file:
        spoken = AudioChunk(file.getframerate(), 2, 1, file.readframes(file.getnframes()))
    with wave.open(str(whole), "wb") as file:
        file.setparams((1, 2, _RATE, 0, "NONE", "not compressed"))
        file.writeframes(AudioChunkConverter(_RATE, 2, 1).convert(spoken).audio)
    whole.rename(path)


def test_a_spoken_command_is_done_and_answered(containers: Containers, house: SimulatedHouse) -> None:
    say("Turn on the coffee maker.", containers.room / "command.wav")
    heard, answer = containers.ask("command.wav", "answer.wav", "Kitchen")
    assert same_words(heard, "turn on the coffee maker")
    assert answer == "Turned on Coffee maker."
    assert [each.topic for each in house.received("Coffee maker")] == ["coffee_maker/cmnd/POWER"]
    assert house.state("Coffee maker")["state"] == "on"
    assert "coffee maker" in containers.hear("answer.wav").casefold()


def test_after_the_wake_word_the_room_listens_asks_back_and_speaks(
    containers: Containers, house: SimulatedHouse
) -> None:
    """Also after the program of the wake word was away."""
    containers("restart", "openwakeword")
    for number, text in enumerate(("Hey Jarvis.", "Lock the front door.", "Yes.")):
        say(text, containers.room / f"said/{number}.wav")
    eventually(lambda: house.state("Front door lock")["state"] == "locked", _MODEL_S)
    assert not list((containers.room / "said").iterdir())

    def is_told() -> bool:
        heard = words(containers.hear("played.wav"))  # "locked" is heard as "lock"
        return heard[-3:] == ["front", "door", "lock"]

    eventually(is_told)


def test_nobody_else_reaches_them_and_they_may_do_no_more_than_they_must(containers: Containers) -> None:
    for service in CONFINED:
        lines = containers("exec", "-T", service, "cat", "/proc/1/status").splitlines()
        status = dict(line.split(":", 1) for line in lines)
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
        assert int(status["NoNewPrivs"]) == 1
        assert not containers.inspect(service)["HostConfig"]["PortBindings"]
        if service == "satellite":
            assert _AUDIO in status["Groups"].split()
    eventually(lambda: containers.inspect("voice")["State"]["Health"]["Status"] == "healthy")
    assert all(containers.inspect(each)["RestartCount"] == 0 for each in ("voice", *PROGRAMS))
