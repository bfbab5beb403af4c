"""What the node says of acts, made from templates in the house's language: never free text about deeds."""

from collections.abc import Iterable, Mapping, Sequence

from edge_llm.contract.house import Device
from edge_llm.house.actions import Action, capabilities_of
from edge_llm.house.acts import Act, Value
from edge_llm.house.choice import MOST_ASKED
from edge_llm.house.language.numbers import plain
from edge_llm.house.language.words import Words
from edge_llm.house.pointing import CHOSEN, listed
from edge_llm.house.targets import EVERYTHING, Target

_MOST_NAMES = 8
"""Maximum number of names that are said one by one."""
_OPENINGS = frozenset({"door", "garage_door", "opening", "window"})
"""Device classes of sensors whose "on" is an open door."""
_OFF = frozenset({"off", "closed", "idle", "standby", "docked", "unavailable", "unknown"})
"""States of what is not on."""
_NOT_KNOWN = frozenset({"unavailable", "unknown"})
_TOLD_AGES_S = {"minutes": 60.0, "hours": 3600.0, "days": 86400.0}
_OLD_S = 600.0
"""Age of a state from which on it is told, in seconds."""
_SEVERAL = 2
"""Number of a unit from which on an age is told in it."""


class Speech:
    """Says things in one language."""

    def __init__(self, words: Words) -> None:
        """Speak in ``words``."""
        self._words = words

    @property
    def language(self) -> str:
        """The language."""
        return self._words.language

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
        return self.not_done([self.name(act.target) for act in acts])

    def not_done(self, names: Sequence[str]) -> str:
        """Report devices by name with which nothing was done; empty where there are none."""
        return self._of(names, "failed")

    def unanswered(self, names: Sequence[str]) -> str:
        """Report devices by name that were told, and do not show it; empty where there are none."""
        return self._of(names, "unanswered")

    def _of(self, names: Sequence[str], key: str) -> str:
        listed = ", ".join(dict.fromkeys(names))
        return str(self._words.speech[key]).format(target=listed) if names else ""

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
        """Ask which of several things is meant, or whether the only one is."""
        if len(names) == 1:
            return str(self._words.speech["meant"]).format(target=names[0])
        shown = names[:_MOST_NAMES]
        listed = shown[0] if shown else ""
        if len(shown) > 1:
            listed = self._words.speech["or"].format(first=", ".join(shown[:-1]), last=shown[-1])
        return str(self._words.speech["which"]).format(candidates=listed)

    def which_value(self, target: Target, action: Action) -> str:
        """Ask for the value of an action; if it has a few modes, colors or options, name them."""
        names = listed(target, action) if action.id in CHOSEN else ()
        if 1 < len(names) <= MOST_ASKED:
            return self.which([self._words.colors.get(name, (name,))[0] for name in names])
        asked, named = self._words.speech["value"], self._words.actions[action.id].name
        return str(asked).format(action=named, target=self.name(target))

    def say(self, key: str) -> str:
        """A sentence without parts, such as ``unclear``, ``impossible`` or ``cancelled``."""
        return str(self._words.speech[key])

    def states(
        self, devices: Sequence[Device], asked: str | None = None, ages_s: Mapping[str, float] | None = None
    ) -> str:
        """Tell the states of devices, or whether, or which of them, are as ``asked``.

        ``ages_s`` are those of the states, by device, in seconds; an old one is told.
        """
        ages_s = ages_s or {}
        if asked is None:
            return self._told(devices, ages_s)
        those = [device for device in devices if _is_in(device, asked)]
        if len(devices) == 1:
            known = _state_of(devices[0]) not in _NOT_KNOWN
            answer = f"{self.say('yes' if those else 'no')} " if known else ""
            return f"{answer}{self._told(devices, ages_s)}"
        missing = [device for device in devices if _state_of(device) in _NOT_KNOWN]
        told = [self._told(each, ages_s) for each in (those, missing) if each]
        return " ".join(told if those else [self.say("none"), *told])

    def _told(self, devices: Iterable[Device], ages_s: Mapping[str, float]) -> str:
        by_state: dict[str, list[str]] = {}
        for device in devices:
            said = self._aged(self._state(device), ages_s.get(device.id, 0.0))
            by_state.setdefault(said, []).append(device.name)
        told = (
            self._words.actions["query"].done.format(target=", ".join(names[:_MOST_NAMES]), value=state)
            for state, names in by_state.items()
        )
        return " ".join(told)

    def _aged(self, state: str, age_s: float) -> str:
        """A state with its age, in the largest unit of which it has several; a new one without."""
        if age_s < _OLD_S:
            return state
        unit = max(
            (u for u, s in _TOLD_AGES_S.items() if age_s >= _SEVERAL * s), key=_TOLD_AGES_S.__getitem__
        )
        speech, number = self._words.speech, int(age_s / _TOLD_AGES_S[unit])
        return str(speech["ago"]).format(value=state, number=number, unit=speech["ago_units"][unit])

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
    """A value as it is said: a whole number without a point, two thirds of 100 as 66.67."""
    return "" if value is None else str(plain(round(value, 2)) if isinstance(value, float) else value)
