"""A house on the wire: its floors, areas and devices, and what each device can do.

A source publishes one, retained, on ``{base}/house/{source}``; ``docs/house.md`` says how to write one.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from edge_llm.config import Identifier
from edge_llm.contract.reading import VERSION, Strict, decode, explain, refuse_deeper
from edge_llm.errors import RequestError

MAX_HOUSE_BYTES = 2**20
"""Maximum size of a house's payload."""
MAX_DEVICES, MAX_AREAS, MAX_FLOORS, MAX_ALIASES, MAX_CHOICES = 2000, 200, 50, 20, 100
MAX_ID, MAX_NAME = 255, 100
"""Maximum length of an id and of a name, in characters."""
_ATTRIBUTES_DEPTH = 4
_DECIMALS = 6


def _one_line(name: str) -> str:
    """A name without white space around it, and with single spaces inside."""
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise ValueError("a name has no control characters")
    if not (clean := " ".join(name.split())):
        raise ValueError("a name has at least one character")
    return clean


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_one_line)]
"""A name that people say. It is data: nothing in it is ever read as markup or as a command."""
ThingId = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Aliases = Annotated[tuple[Name, ...], Field(max_length=MAX_ALIASES)]
Words = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_CHOICES)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]
"""A BCP 47 tag, such as ``en`` or ``zh-Hans``."""
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A domain of Home Assistant: ``light``, ``cover``, ``climate``."""


class Floor(Strict):
    """A floor of the house."""

    id: ThingId
    name: Name
    aliases: Aliases = ()


class Area(Strict):
    """A room or another place; ``floor`` is the id of one in the same document."""

    id: ThingId
    name: Name
    floor: ThingId | None = None
    aliases: Aliases = ()


class Range(Strict):
    """Values that a device can be set to."""

    model_config = ConfigDict(allow_inf_nan=False)

    min: float = 0
    max: float = 100
    step: float = Field(1, gt=0)
    unit: Annotated[str, Field(max_length=16)] = "%"

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.min < self.max:
            raise ValueError("min is less than max")
        return self

    def nearest(self, value: float) -> float:
        """The value in range, a number of steps from ``min``, that is nearest."""
        inside = min(self.max, max(self.min, value))
        stepped = self.min + round((inside - self.min) / self.step) * self.step
        return round(min(stepped, self.max), _DECIMALS)


class Capabilities(Strict):
    """Capabilities of a device; those that are not set it lacks."""

    on_off: bool = False
    open_close: bool = False
    stop: bool = False
    lock: bool = False
    start: bool = False
    dock: bool = False
    play: bool = False
    next: bool = False
    press: bool = False
    activate: bool = False
    add_item: bool = False
    """Takes free text: an item of a list."""
    brightness: Range | None = None
    position: Range | None = None
    temperature: Range | None = None
    speed: Range | None = None
    volume: Range | None = None
    humidity: Range | None = None
    color: Words | None = None
    mode: Words | None = None
    option: Words | None = None


Scalar = str | int | float | bool | None


class Device(Strict):
    """A device; ``area`` is the id of one in the same document.

    Without ``capabilities`` it can do what is usual for its kind.
    """

    id: ThingId
    name: Name
    aliases: Aliases = ()
    kind: Kind
    device_class: Kind | None = Field(None, alias="class")
    """Home Assistant's device class: ``curtain`` of a ``cover``."""
    area: ThingId | None = None
    unique_id: ThingId | None = None
    """The maker's id of the device; two sources that give the same one describe one device."""
    capabilities: Capabilities | None = None
    state: Annotated[str, Field(max_length=255)] | None = None
    attributes: Annotated[dict[str, Any], Field(default_factory=dict, max_length=64)]
    """Further attributes, such as ``brightness``; ``unit`` is the unit of a sensor's state."""

    @field_validator("attributes")
    @classmethod
    def _shallow(cls, value: dict[str, Any]) -> dict[str, Any]:
        refuse_deeper(value, _ATTRIBUTES_DEPTH)
        return value


class House(Strict):
    """A house, as one source describes it."""

    v: int = VERSION
    source: Identifier | None = None
    """Name of the source; on a house topic it must be the topic's last level."""
    language: Language = "en"
    """Language of the sentences that are said there."""
    floors: Annotated[tuple[Floor, ...], Field(max_length=MAX_FLOORS)] = ()
    areas: Annotated[tuple[Area, ...], Field(max_length=MAX_AREAS)] = ()
    devices: Annotated[tuple[Device, ...], Field(max_length=MAX_DEVICES)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, things in (("floors", self.floors), ("areas", self.areas), ("devices", self.devices)):
            _refuse_twice(name, (thing.id for thing in things))
        floors, areas = {floor.id for floor in self.floors}, {area.id for area in self.areas}
        for number, area in enumerate(self.areas):
            if area.floor is not None and area.floor not in floors:
                raise ValueError(f"areas.{number}.floor: no floor has this id")
        for number, device in enumerate(self.devices):
            if device.area is not None and device.area not in areas:
                raise ValueError(f"devices.{number}.area: no area has this id")
        return self


def _refuse_twice(name: str, ids: Iterable[str]) -> None:
    if twice := [thing for thing, count in Counter(ids).items() if count > 1]:
        raise ValueError(f"{name}: {len(twice)} ids stand there more than once")


def _true_as_auto(value: Any) -> Any:
    if isinstance(value, bool):
        return "auto" if value else None
    return value


ActMode = Annotated[
    Literal["auto", "required"] | None,
    BeforeValidator(_true_as_auto, json_schema_input_type=Literal["auto", "required"] | bool | None),
]
"""``auto``: what is no command gets an ordinary reply; ``required``: it is asked back."""


class CallResult(Strict):
    """Outcome of a call that the node made, as whoever carried it out reports it."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    ok: bool


def parse_house(payload: bytes) -> House:
    """Read a house's payload.

    Raises:
        RequestError: too_large, or bad_request with the place of the first fault; it quotes nothing.
    """
    if len(payload) > MAX_HOUSE_BYTES:
        raise RequestError("too_large", f"a house may have {MAX_HOUSE_BYTES} bytes, this has {len(payload)}")
    try:
        house = House.model_validate_json(decode(payload))
    except ValidationError as error:
        raise RequestError("bad_request", explain(error, may_be_text=False)) from error
    if house.v != VERSION:
        raise RequestError("unsupported_version", f"this node speaks version {VERSION}, not {house.v}")
    return house
