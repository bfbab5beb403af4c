"""Tells what of an act the node carries out itself, and by which messages."""

from collections.abc import Callable, Sequence

from edge_llm.config import HouseSettings
from edge_llm.contract.house import Device
from edge_llm.contract.tools import ToolCall
from edge_llm.house.actions import capabilities_of
from edge_llm.house.acts import Act, Value
from edge_llm.house.announced.plan import Plan, Step
from edge_llm.house.discovery.entity import Entity
from edge_llm.house.language.speech import Speech
from edge_llm.node.acts.devices import DeviceFeed

Made = tuple[Act, tuple[ToolCall, ...]]
"""An act, and the calls that it is."""


class Planner:
    """Plans acts on the devices that announce themselves, of the kinds that ``house.act`` lists."""

    def __init__(
        self, settings: HouseSettings, devices: DeviceFeed, is_source: Callable[[str], bool]
    ) -> None:
        """A client that describes devices itself, which ``is_source`` tells, carries out its own acts."""
        self._kinds = frozenset(settings.act)
        self._devices = devices
        self._is_source = is_source

    def plan(self, client: str, made: Sequence[Made], speech: Speech) -> tuple[Plan | None, list[Made]]:
        """The plan of what the node does of some acts, and the acts that are left to the client.

        An act is the node's as a whole, or not at all.
        """
        if not self._kinds or self._is_source(client):
            return None, list(made)
        steps: list[Step] = []
        ours: list[Made] = []
        left: list[Made] = []
        for act, calls in made:
            if entities := self._entities(act.devices):
                steps += [self._step(act, *pair, len(ours)) for pair in entities]
                ours.append((act, calls))
            else:
                left.append((act, calls))
        texts = tuple(speech.done([act]) for act, _ in ours)
        calls = tuple(call for _, those in ours for call in those)
        return (Plan(speech.language, texts, calls, tuple(steps)) if ours else None), left

    def observed(self, client: str, device: Device) -> tuple[Device, float | None]:
        """A device with the state that it has told, and its age in seconds; the client may know better."""
        if self._is_source(client):
            return device, None
        return self._devices.observed(device), self._devices.age_s(device)

    def _entities(self, devices: Sequence[Device]) -> list[tuple[Device, Entity]]:
        """Devices with their entities; none unless the node moves all of them."""
        found = [(each, entity) for each in devices if (entity := self._devices.entity(each))]
        every = len(found) == len(devices) and all(each.kind in self._kinds for each in devices)
        return found if every else []

    def _step(self, act: Act, device: Device, entity: Entity, number: int) -> Step:
        action, value = self._absolute(act, entity)
        command = entity.commands.get(action)
        messages = command(value) if command else ()
        if messages and action == "speed" and (on := entity.commands.get("on")) and not self._is_on(entity):
            messages = (*on(None), *messages)  # a speed alone starts no fan
        tells_state = self._devices.tells_state(entity)
        return Step(entity.device.id, device.name, number, action, value, messages, tells_state)

    def _is_on(self, entity: Entity) -> bool:
        state = self._devices.state(entity.device.id)
        return state is not None and state.state == "on"

    def _absolute(self, act: Act, entity: Entity) -> tuple[str, Value]:
        """An action and its value; of a change of level, the new level, as no device is told a difference.

        What is turned on without a level gets its last one, for lamps that a level turns on.
        """
        action = act.action
        state = self._devices.state(entity.device.id)
        if action.id == "on":
            last = state.attributes.get("brightness") if state else None
            return action.id, float(last) if isinstance(last, int | float) else None
        if not action.step:
            return action.id, action.value if action.value is not None else act.value
        level = state.attributes.get(action.capability) if state else None
        limits = getattr(capabilities_of(entity.device), action.capability)
        if limits is None or not isinstance(level, int | float):
            return action.id, act.value  # which nothing takes: it is said to have failed
        step = action.step * (act.value if isinstance(act.value, float) else 1)
        return action.capability, limits.nearest(level + step)
