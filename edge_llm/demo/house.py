"""A simulated house: a dozen devices on a broker that announce themselves, obey, and tell of it."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from sched import scheduler
from threading import Condition, Event, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Self
from uuid import uuid4

from edge_llm.config import MqttSettings
from edge_llm.demo.devices import (
    BinarySensor,
    Climate,
    Cover,
    Fan,
    Light,
    Lock,
    Sensor,
    Switch,
    Values,
    xy_of,
)
from edge_llm.demo.products import EspHome, Product, Tasmota
from edge_llm.demo.zigbee import BRIDGE, Zigbee
from edge_llm.errors import EdgeLlmError
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription

ANSWER_S = 0.03
"""Seconds until a device has done what it is told, and tells so."""
MOVE_S = 1.0
"""Seconds that a cover moves."""
_READY_S = 10.0
_ONLINE, _OFFLINE = '{"state": "online"}', '{"state": "offline"}'
_WHITE = xy_of(255, 255, 255)

HOUSE: Sequence[Product] = (
    Zigbee("Kitchen light", "Kitchen", Light(state="off", brightness=100)),
    Tasmota("Coffee maker", "Kitchen", Switch(state="off")),
    Zigbee("Kitchen thermometer", "Kitchen", Sensor(state=21.5)),
    Zigbee("Sofa lamp", "Living room", Light(state="off", brightness=50, color=_WHITE)),
    EspHome("Blinds", "Living room", Cover("blind", state="open", position=100)),
    Zigbee("Thermostat", "Living room", Climate(state="heat", temperature=20.0, current_temperature=19.5)),
    Zigbee("Bedside lamp", "Bedroom", Light(state="off", brightness=30, color=_WHITE)),
    Zigbee("Curtain", "Bedroom", Cover("curtain", state="open", position=100)),
    EspHome("Fan", "Bedroom", Fan(state="off", speed=0)),
    Tasmota("Hall light", "Hall", Light(state="on", brightness=80)),
    Zigbee("Front door lock", "Hall", Lock(state="unlocked")),
    Zigbee("Front door", "Hall", BinarySensor("door", state="off")),
    Zigbee("Hall motion", "Hall", BinarySensor("occupancy", state="off")),
)
"""The demo's house."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that a device got."""

    name: str
    topic: str
    payload: str
    at: float = field(default_factory=monotonic, compare=False)
    """Time at which it came (time.monotonic)."""


class SimulatedHouse:
    """Devices on a broker, by one connection and one thread; a context manager.

    When it ends in order its devices are unavailable; when it is killed those of zigbee2mqtt are.
    """

    def __init__(
        self,
        settings: MqttSettings,
        prefix: str = "homeassistant",
        devices: Sequence[Product] = HOUSE,
        on_change: Callable[[str, Values, Values], None] = lambda _name, _before, _after: None,
    ) -> None:
        """Announce ``devices``, which stay as they are, below ``prefix``.

        ``on_change`` gets the name and the values before and after each change, on the house's thread.
        """
        self._prefix = prefix
        self._devices = {device.name: device for device in deepcopy(devices)}
        self._on_change = on_change
        self._received: list[Received] = []
        self._silent: set[str] = set()
        self._unavailable: set[str] = set()
        self._changed = Condition()
        """Guards all that changes."""
        self._due = 0
        self._schedule = scheduler(monotonic, sleep)
        self._woken, self._stopping, self._announced = Event(), Event(), Event()
        self._connection = Connection(
            settings,
            f"house-{uuid4().hex[:8]}",
            {
                topic: Subscription(partial(self._hear, device))
                for device in self._devices.values()
                for topic in device.commands
            },
            on_ready=self._announce,
            last_will=(BRIDGE, _OFFLINE.encode()),
        )
        self._thread = Thread(target=self._run, name="house", daemon=True)

    def __enter__(self) -> Self:
        """Wait until the broker has all that the devices say first.

        Raises:
            EdgeLlmError: the broker does not take it.
        """
        self._thread.start()
        self._connection.start()
        if not self._announced.wait(_READY_S):
            self.__exit__(None, None, None)
            raise EdgeLlmError(f"the simulated house: {self._connection.failure or 'the broker is silent'}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Have all devices go."""
        self._stopping.set()
        self._woken.set()
        self._thread.join()
        for device in self._devices.values():
            self._publish(*device.availability(online=False))
        self._connection.stop((BRIDGE, _OFFLINE.encode()))

    def state(self, name: str) -> Values:
        """The values of a device: ``state``, and for example ``brightness`` in percent, ``color`` by name."""
        with self._changed:
            return self._devices[name].device.shown()

    def states(self) -> dict[str, Values]:
        """The values of all devices by their names."""
        return {name: self.state(name) for name in self._devices}

    def received(self, name: str | None = None) -> list[Received]:
        """All that a device, or any, has got, in order."""
        with self._changed:
            return [each for each in self._received if name in (None, each.name)]

    def set(self, name: str, **values: object) -> None:
        """Change a device by hand: somebody opens a door, or presses a switch."""
        device = self._devices[name]
        self._later(0, partial(self._change, device, lambda: device.device.put(values)))

    def set_silent(self, name: str, *, silent: bool = True) -> None:
        """Have a device do nothing of what it is told, and say nothing."""
        with self._changed:
            (self._silent.add if silent else self._silent.discard)(name)

    def set_available(self, name: str, *, available: bool) -> None:
        """Have a device say that it goes, and do nothing, or that it is back."""
        with self._changed:
            (self._unavailable.discard if available else self._unavailable.add)(name)
        self._publish(*self._devices[name].availability(online=available))

    def chat(self, states_per_second: float) -> None:
        """Have the devices, one after the other, tell their states again, until the house ends."""
        self._chat(monotonic(), 1 / states_per_second, 0)

    def wait_idle(self, timeout_s: float = 10.0) -> bool:
        """Wait until every device has done what it was told; returns whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._due, timeout_s)

    def _announce(self) -> None:
        """Say all again at each connection: the broker may have lost it."""
        for device in self._devices.values():
            topic, config = device.announcement()
            self._publish(f"{self._prefix}/{topic}", json.dumps(config))
            self._publish(*device.availability(online=device.name not in self._unavailable))
            self._tell(device)
        self._connection.publish(
            BRIDGE, _ONLINE.encode(), retain=True, on_sent=lambda _outcome: self._announced.set()
        )

    def _publish(self, topic: str, payload: str) -> None:
        self._connection.publish(topic, payload.encode(), retain=True)

    def _tell(self, device: Product) -> None:
        with self._changed:
            states = device.states()
        for topic, payload in states.items():
            self._publish(topic, payload)

    def _hear(self, device: Product, message: Message) -> None:
        payload = message.payload.decode()
        with self._changed:
            self._received.append(Received(device.name, message.topic, payload))
            if device.name in self._silent | self._unavailable:
                return
        with suppress(ValueError, TypeError):  # as real ones do, it ignores what it does not understand
            wanted = device.wanted(message.topic, payload)
            self._later(ANSWER_S, partial(self._obey, device, wanted))

    def _obey(self, device: Product, wanted: Values) -> None:
        if self._change(device, lambda: device.device.obey(wanted)):
            self._later(MOVE_S, partial(self._change, device, device.device.arrive))

    def _change(self, device: Product, change: Callable[[], bool | None]) -> bool:
        """Change a device, and tell of it; returns what ``change`` does."""
        with self._changed:
            before = device.device.shown()
            moves = change()
            after = device.device.shown()
        self._tell(device)
        if before != after:
            self._on_change(device.name, before, after)
        return bool(moves)

    def _chat(self, due: float, pause_s: float, number: int) -> None:
        devices = tuple(self._devices.values())
        self._tell(devices[number % len(devices)])
        self._schedule.enterabs(due, 1, self._chat, (due + pause_s, pause_s, number + 1))
        self._woken.set()

    def _later(self, delay_s: float, work: Callable[[], object]) -> None:
        with self._changed:
            self._due += 1
        self._schedule.enter(delay_s, 0, self._do, (work,))
        self._woken.set()

    def _do(self, work: Callable[[], object]) -> None:
        work()
        with self._changed:
            self._due -= 1
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause_s = self._schedule.run(blocking=False)
            self._woken.wait(pause_s)
            self._woken.clear()
