"""What questions about states are about: sensors of what they ask for, and devices."""

from edge_llm.contract.house import Area
from edge_llm.house.choice import STATELESS, Choice, in_place, is_inside
from edge_llm.house.reading.clauses import Clause
from edge_llm.house.targets import Target, Targets, kinds_of

_TOLD = {"locked": "lock", "unlocked": "lock"}
"""The kinds that states are those of."""


class Questions:
    """Finds the choices of questions in one house."""

    def __init__(self, targets: Targets) -> None:
        """Ask about ``targets``."""
        self._targets = targets

    def choice(self, clause: Clause, fitting: tuple[Target, ...], here: Area | None) -> Choice:
        """What a question is about: sensors of what it asks for, and devices."""
        if clause.lacks_floor:
            return Choice(clause, (), "unclear", is_question=True)
        if _is_talk(clause):
            return Choice(clause, (), open=True, is_question=True)
        telling = self._sensors(clause, here)
        called = in_place(clause.partly, clause, here)
        if named := tuple(t for t in called if clause.asked & {*kinds_of(t.devices[0])}):
            return Choice(clause, named, is_question=True)
        if clause.named or clause.kinds or "everything" in clause.flags:
            telling = tuple(dict.fromkeys((*fitting, *(() if clause.named else telling))))
        elif clause.asked and clause.unknown and not clause.has_place and len(telling) > 1:
            return Choice(clause, (), "impossible", is_question=True)  # "how cold is it outside?"
        elif not telling and clause.asked:
            warmth = "sensor:temperature" in clause.asked
            telling = tuple(t for t in fitting if warmth and t.devices[0].kind == "climate")
            return Choice(clause, telling, None if telling else "impossible", is_question=True)
        elif not telling:
            telling = () if clause.unknown else fitting
        telling = _with_state((*telling, *called), clause) or telling
        telling = tuple(t for t in telling if t.devices[0].kind not in STATELESS)
        return Choice(clause, telling, open=not telling, is_question=True)

    def _sensors(self, clause: Clause, here: Area | None) -> tuple[Target, ...]:
        """The sensors of what a question asks for, or of the doors and windows that it names."""
        classes = {kind.partition(":")[2] for kind in clause.kinds if ":" in kind}
        kinds = clause.asked | {f"binary_sensor:{each}" for each in classes}
        sensors = tuple(t for t in self._targets.devices if not kinds.isdisjoint(kinds_of(t.devices[0])))
        if clause.has_place:
            return tuple(t for t in sensors if is_inside(t, clause))
        near = tuple(t for t in sensors if here and t.area == here)
        return sensors if clause.plural or not near else near


def _is_talk(clause: Clause) -> bool:
    """Whether words of the house stand in a question about something else.

    "How do I boil an egg?" is about no boiler, the temperature of the sun's surface about no thermometer.
    """
    if clause.kinds and clause.unknown and not (clause.named or clause.asked or clause.states):
        return True
    of_house = clause.has_place or clause.has_subject or clause.states or "here" in clause.flags
    return bool(clause.asked) and len(clause.unknown) > 1 and not of_house


def _with_state(targets: tuple[Target, ...], clause: Clause) -> tuple[Target, ...]:
    """Those of some targets that have the states of which a question names one."""
    kinds = {_TOLD[state] for state in clause.states if state in _TOLD}
    return tuple(dict.fromkeys(t for t in targets if t.devices[0].kind in kinds))
