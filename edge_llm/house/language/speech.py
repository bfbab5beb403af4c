"""What the node says of acts, made from templates in the house's language: never free text about deeds."""

from collections.abc import Iterable, Sequence

from edge_llm.contract.house import Device
from edge_llm.house.actions import capabilities_of
from edge_llm.house.acts import Act, Value
from edge_llm.house.language.numbers import plain
from edge_llm.house.language.words import Words
from edge_llm.house.targets import EVERYTHING, Target

_MOST_NAMES = 8
"""Maximum number of names that are said one by one."""
_OPENINGS = frozenset({"door", "garage_door", "opening", "window"})
"""Device classes of sensors whose "on" is an open door."""
_OFF = frozenset({"off", "closed", "idle", "standby", "docked", "unavailable", "unknown"})
"""States of what is not on."""


class Speech:
    """Says things in one language."""

    def __init__(self, words: Words) -> None:
        """Speak in ``words``."""
        self._words = words

    def name(self, target: Target) -> str:
        """What a target is called in a sentence."""
        if not target.is_group:
            return target.name
        place = target.area or target.floor
        if EVERYTHING in target.kinds:
            here = str(self._words.speech["everything_in"])
            return here.format(area=place.name) if place else self._words.everything[0]
        kinds = self._words.kind(target.kinds[0], plural=True)
        template = str(self._words.speech["in_area" if place else "in_house"])
        return template.format(kinds=kinds, area=place.name if place else "")

    def done(self, acts: Iterable[Act]) -> str:
        """Report acts whose calls were made."""
        return " ".join(self._done(act) for act in acts)

    def _done(self, act: Act) -> str:
        template = self._words.actions[act.action.id].done
        unit = ""
        if limits := getattr(capabilities_of(act.target.devices[0]), act.action.capability, None):
            unit = getattr(limits, "unit", "")
        value = self._words.colors.get(str(act.value), (_said(act.value),))[0]
        done = template.format(target=self.name(act.target), value=value, unit=unit)
        left = [device.name for device in act.target.devices if device.id in act.excepted]
        but = str(self._words.speech["but"]).format(names=", ".join(left))
        return f"{done} {but}" if left else done

    def failed(self, acts: Sequence[Act]) -> str:
        """Report acts that were not carried out; empty where there are none."""
        names = ", ".join(self.name(act.target) for act in acts)
        return str(self._words.speech["failed"]).format(target=names) if names else ""

    def confirm(self, acts: Sequence[Act]) -> str:
        """Ask whether acts shall be done."""
        named = (
            self._words.speech["confirm"].format(
                action=self._words.actions[act.action.id].name, target=self.name(act.target)
            )
            for act in acts
        )
        return " ".join(named)

    def which(self, names: Sequence[str]) -> str:
        """Ask which of several things is meant."""
        shown = names[:_MOST_NAMES]
        listed = shown[0] if shown else ""
        if len(shown) > 1:
            listed = self._words.speech["or"].format(first=", ".join(shown[:-1]), last=shown[-1])
        return str(self._words.speech["which"]).format(candidates=listed)

    def say(self, key: str) -> str:
        """A sentence without parts, such as ``unclear``, ``impossible`` or ``cancelled``."""
        return str(self._words.speech[key])

    def states(self, devices: Sequence[Device], asked: str | None = None) -> str:
        """Tell the states of devices, or whether, or which of them, are as ``asked``."""
        if asked is None:
            return self._told(devices)
        those = [device for device in devices if _is_in(device, asked)]
        if len(devices) == 1:
            return f"{self.say('yes' if those else 'no')} {self._told(devices)}"
        return self._told(those) if those else self.say("none")

    def _told(self, devices: Iterable[Device]) -> str:
        by_state: dict[str, list[str]] = {}
        for device in devices:
            by_state.setdefault(self._state(device), []).append(device.name)
        told = (
            self._words.actions["query"].done.format(target=", ".join(names[:_MOST_NAMES]), value=state)
            for state, names in by_state.items()
        )
        return " ".join(told)

    def _state(self, device: Device) -> str:
        state = _state_of(device)
        unit = device.attributes.get("unit")
        said = str(self._words.speech["states"].get(state, state))
        return f"{said} {unit}" if isinstance(unit, str) and unit else said


def _state_of(device: Device) -> str:
    """A device's state, of a door's or a window's sensor that of the door or the window."""
    state = device.state or "unknown"
    if device.kind == "binary_sensor" and device.device_class in _OPENINGS:
        return {"on": "open", "off": "closed"}.get(state, state)
    return state


def _is_in(device: Device, asked: str) -> bool:
    state = _state_of(device)
    return state not in _OFF if asked == "on" else state == asked


def _said(value: Value) -> str:
    """A value as it is said: a whole number without a point."""
    return "" if value is None else str(plain(value) if isinstance(value, float) else value)
