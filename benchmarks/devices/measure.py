"""Says sentences to a real node with a simulated house, and takes times; then lets both rest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from time import monotonic, sleep

import psutil

from benchmarks.devices.house import KINDS
from benchmarks.devices.sentences import Sentence
from edge_llm.client import Client
from edge_llm.client.info import node_info
from edge_llm.config import MqttSettings
from edge_llm.convert.progress import Advance
from edge_llm.demo.devices import Values
from edge_llm.demo.house import SimulatedHouse
from edge_llm.demo.processes import NODE, peak_rss_mb, running_broker, running_service
from edge_llm.demo.products import Product
from edge_llm.errors import EdgeLlmError

STATES_PER_SECOND = 10.0
_READY_S = 120.0
_LOOK_S = 0.5
States = dict[str, Values]


@dataclass(frozen=True)
class Said:
    """What became of a sentence; ``command_ms`` is None where no device was told anything."""

    sentence: Sentence
    right: bool
    command_ms: float | None
    done_ms: float
    by_model: bool
    answer: str


@dataclass(frozen=True)
class Idle:
    """CPU time of the node's process while nobody asks, in percent of one core."""

    silent_percent: float
    chatty_percent: float
    seconds: float


class Rig:
    """A node that moves a simulated house, and one who speaks to it."""

    def __init__(self, house: SimulatedHouse, client: Client, service: psutil.Popen) -> None:
        """Begin when all three are there."""
        self._house = house
        self._client = client
        self._service = service
        self._start = house.states()

    @property
    def peak_rss_mb(self) -> float:
        """Peak resident memory of the node, in MB."""
        return peak_rss_mb(self._service.pid)

    def say(self, sentence: Sentence) -> Said:
        """Say a sentence to the house as it was at first.

        Raises:
            EdgeLlmError: the node does not answer.
        """
        self._reset()
        before = len(self._house.received())
        began = monotonic()
        done = self._client.ask(sentence.text, act="auto")
        done_ms = 1000 * (monotonic() - began)
        self._house.wait_idle()
        told = self._house.received()[before:]
        return Said(
            sentence,
            right=self._house.states() == _meant(self._start, sentence),
            command_ms=1000 * (told[0].at - began) if told else None,
            done_ms=done_ms,
            by_model=done.usage.completion_tokens > 0,
            answer=done.text,
        )

    def idle(self, seconds: float, advance: Advance) -> Idle:
        """Take the node's CPU time while devices are silent, and while they are not."""
        silent = self._work(seconds, advance)
        self._house.chat(STATES_PER_SECOND)
        return Idle(silent, self._work(seconds, advance), seconds)

    def _reset(self) -> None:
        for name, state in self._house.states().items():
            if state != self._start[name]:
                self._house.set(name, **self._start[name])
        self._house.wait_idle()

    def _work(self, seconds: float, advance: Advance) -> float:
        before, began = self._service.cpu_times(), monotonic()
        while monotonic() < began + seconds:
            sleep(_LOOK_S)
            advance("idle", count=0)
        after, elapsed = self._service.cpu_times(), monotonic() - began
        advance("idle")
        return 100 * (after.user + after.system - before.user - before.system) / elapsed


def _meant(start: States, sentence: Sentence) -> States:
    return {name: values | sentence.meant.get(name, {}) for name, values in start.items()}


@contextmanager
def running(bundle: Path, devices: Sequence[Product]) -> Iterator[Rig]:
    """Start broker, house and node; yields once the node knows the house.

    Raises:
        EdgeLlmError: one of them does not start, or the node does not see the house.
    """
    settings = {
        "house__discovery": "homeassistant",
        "house__accept": "all",
        "house__act": dumps(KINDS),
        "mqtt__requests_per_minute": "6000",
    }
    with (
        running_broker() as mqtt,
        SimulatedHouse(mqtt, devices=devices) as house,
        running_service(mqtt, bundle, settings) as service,
        Client(mqtt, NODE, "benchmark") as client,
    ):
        client.wait_online()
        _wait_for_house(mqtt, len(devices))
        client.ask(
            "Turn on everything in the stable", act="auto"
        )  # there is none: the first of all is slower
        yield Rig(house, client, service)


def _wait_for_house(mqtt: MqttSettings, devices: int) -> None:
    until = monotonic() + _READY_S
    while monotonic() < until:
        house = (node_info(mqtt, NODE)["info"] or {}).get("house") or {}
        if house.get("ready") and house.get("devices") == devices:
            return
        sleep(_LOOK_S)
    raise EdgeLlmError("the node does not see the devices of the house")
