"""What a sentence says, clause by clause, and what clauses take from their neighbors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile

from edge_llm.contract.house import Area, Floor
from edge_llm.house.targets import Target

_WHICH = {"all", "everything", "whole_house", "here", "upstairs", "downstairs"}
"""Flags that tell which devices are meant."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that a sentence asks for, as far as its words say it.

    ``named`` are devices whose name is said, ``partly`` those of whose names most words are said.
    ``flags`` are the senses without a value, such as ``all`` and ``here``; ``unknown`` are words that are
    neither known nor usual.
    """

    named: tuple[Target, ...] = ()
    partly: tuple[Target, ...] = ()
    areas: tuple[Area, ...] = ()
    floors: tuple[Floor, ...] = ()
    kinds: frozenset[str] = frozenset()
    plain_kind: bool = False
    """Whether the words for the kind are beside no device's name, and so stand for themselves."""
    plural: bool = False
    """Whether a word for the kind is the plural."""
    called_kind: bool = False
    """Whether what is said of devices' names is but the words for their kinds."""
    vague: bool = False
    """Whether a word beside one of a device's name is not known: another device may be meant."""
    asked: frozenset[str] = frozenset()
    """Classes of sensors that it asks about."""
    states: tuple[str, ...] = ()
    """States that it names."""
    actions: Mapping[str, float] = field(default_factory=dict)
    """Actions that it points to, and the number of words that do."""
    numbers: tuple[float, ...] = ()
    split_number: bool = False
    """Whether two numbers stand side by side: "60 7 percent" may be 67."""
    colors: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    """Words that stand where names and rooms do, and that nothing in the house is called."""
    behind_comma: bool = False
    """Whether a comma, and no word, joins it to what is before."""
    text: str = ""
    """The whole sentence in lower case."""
    own: str = ""
    """Its words, the names of modes that they stand for, and the words of clauses that continue it."""
    has_item: bool = False
    """Whether it has a word that may be what is put on a list."""
    inherits: bool = False
    """Whether its device was taken from an earlier clause."""

    @property
    def has_place(self) -> bool:
        """Whether it says where."""
        return bool(self.areas or self.floors or "whole_house" in self.flags)

    @property
    def is_lost(self) -> bool:
        """Whether it says where in words that are not known: "the hull light" is not the one where one is."""
        return bool(self.strange) and not self.has_place

    @property
    def lacks_floor(self) -> bool:
        """Whether it says up or down, which depends on where one is, and that is not known."""
        return bool(self.flags & {"upstairs", "downstairs"}) and not self.floors

    @property
    def has_subject(self) -> bool:
        """Whether it says which devices."""
        return bool(self.named or self.partly or self.kinds or "everything" in self.flags)

    @property
    def has_value(self) -> bool:
        """Whether it says a number, or a level such as the highest."""
        return bool(self.numbers or self.flags & {"most", "least", "half"})

    @property
    def points(self) -> bool:
        """Whether it says what to do."""
        return bool(self.actions or self.has_value or self.colors)

    @property
    def alone(self) -> "Clause":
        """A copy that names no device, kind or place."""
        return replace(
            self,
            named=(),
            partly=(),
            areas=(),
            floors=(),
            kinds=frozenset(),
            plain_kind=False,
            plural=False,
            inherits=False,
        )

    def names(self, action: str) -> bool:
        """Tell whether a word of the clause stands for this action alone."""
        return self.actions.get(action, 0) >= 1

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is about what no device does: a timer, a playlist."""
        return "elsewhere" in self.flags


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, read: its clauses, the devices that it excepts, and whether it is a question."""

    clauses: tuple[Clause, ...]
    excepted: Clause | None
    is_question: bool


def complete(clauses: list[Clause], excepted: Clause | None) -> Iterable[Clause]:
    """Give each clause what only its neighbor says: "the kitchen and the hall lights"."""
    others = [excepted] if excepted else []
    for number, clause in enumerate(clauses):
        before, after = clauses[:number][::-1], clauses[number + 1 :]
        completed = clause
        going_on = takewhile(lambda c: not (c.has_subject or c.has_place), after)
        completed = replace(completed, own=" ".join((clause.own, *(c.own for c in going_on))))
        doing = next((c for c in (*before, *after, *others) if c.points), None)
        if doing and not clause.points:
            levels = doing.flags & {"most", "least", "half", "percent", "slightly"}
            completed = replace(
                completed,
                actions=doing.actions,
                numbers=doing.numbers,
                colors=doing.colors,
                flags=clause.flags | levels,
                own=f"{completed.own} {doing.own}",
            )
        subject = next((c for c in (*after, *before) if c.has_subject), None)
        if subject and clause.has_place and not clause.has_subject:
            completed = replace(
                completed, kinds=subject.kinds, plain_kind=subject.plain_kind, plural=subject.plural
            )
        meant = next((c for c in before if c.has_subject), None)
        if meant and not clause.has_subject and not clause.has_place:  # "…, and set it to 20 percent"
            completed = replace(
                completed,
                named=meant.named,
                partly=meant.partly,
                areas=meant.areas,
                floors=meant.floors,
                kinds=meant.kinds,
                plain_kind=meant.plain_kind,
                plural=meant.plural,
                flags=completed.flags | (meant.flags & _WHICH),
                inherits=True,
            )
        yield completed
