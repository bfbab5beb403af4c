"""An actor with its log, and what it sees of devices and broker."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition
from time import monotonic
from typing import Any, cast

from edge_llm.house.announced.plan import Plan, Step
from edge_llm.house.announced.states import DeviceState, Told
from edge_llm.house.discovery.entity import Publish
from edge_llm.mqtt.message import Message
from edge_llm.node.acts.act_log import ActLog
from edge_llm.node.acts.actor import Actor, Carried
from edge_llm.state.database import StateDatabase
from tests.common import eventually

ON = Publish("z/lamp/set", '{"state":"ON"}')


def plan(
    *names: str, action: str = "on", messages: tuple[Publish, ...] = (ON,), tells_state: bool = True
) -> Plan:
    names = names or ("lamp",)
    steps = tuple(Step(name, name, 0, action, None, messages, tells_state) for name in names)
    return Plan("en", ("Turned on the lamp.",), (), steps)


@dataclass
class Devices:
    """What the actor sees of devices and broker; a message reaches the broker unless it is ``cut``."""

    due: Condition
    ready: bool = True
    connections: int = 1
    cut: bool = False
    """Whether the connection breaks before the next messages are sent."""
    published: list[Publish] = field(default_factory=list)
    noted: list[bytes] = field(default_factory=list)
    """Notes that the broker keeps, in order."""
    handed_out: list[Message] = field(default_factory=list)
    states: dict[str, DeviceState] = field(default_factory=dict)
    before_publish: Any = None

    def publish(self, message: Publish) -> None:
        if self.before_publish:
            self.before_publish()
        if not self.cut:
            self.published.append(message)

    def note(self, text: str, *, kept: bool = False) -> None:
        if kept or not self.cut:
            self.noted.append(text.encode())

    def take_notes(self) -> list[Message]:
        notes, self.handed_out = self.handed_out, []
        return notes

    def told(self, device: str) -> Told:
        state = self.states.get(device)
        return Told(state.told, state.attributes.get("position")) if state else Told(0)

    def state(self, device: str) -> DeviceState | None:
        return self.states.get(device)

    def tell(self, device: str, state: str) -> None:
        before = self.told(device).messages
        self.states[device] = DeviceState(state, told=before + 1)
        with self.due:
            self.due.notify_all()


class Rig:
    """An actor with its log in a file, the broker's memory, and what has ended."""

    def __init__(self, path: Path) -> None:
        self.due = Condition()
        self.devices = Devices(self.due)
        self.database = StateDatabase(path)
        self.ended: list[Carried] = []
        self.acknowledged: list[bytes] = []
        self.actor = Actor(cast("Any", self.devices), ActLog(self.database), self.due)

    def act(self, key: str = "k", of: Plan | None = None, *, wait_s: float = 60.0) -> None:
        self.actor.carry_out(key, "wall", of or plan(), monotonic() + wait_s, self.ended.append)

    def hand_out(self) -> None:
        """Hand the node what it has noted to itself, in order; what it acknowledges is forgotten."""
        for payload in tuple(self.devices.noted):

            def forget(message: Message) -> None:
                self.devices.noted.remove(message.payload)
                self.acknowledged.append(message.payload)

            with self.due:
                self.devices.handed_out.append(Message("t", payload, qos1=True, on_acknowledge=forget))
                self.due.notify_all()

    def carried(self) -> Carried:
        eventually(lambda: self.ended)
        return self.ended.pop(0)
