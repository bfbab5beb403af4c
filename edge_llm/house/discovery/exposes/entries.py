"""What zigbee2mqtt says that a device exposes, read and checked.

https://www.zigbee2mqtt.io/guide/usage/exposes.html describes the format.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from edge_llm.contract.house import Scalar

_PUBLISHED, _SET = 0b001, 0b010
Key = Annotated[str, Field(min_length=1, max_length=100)]


class _Lenient(BaseModel):
    """What others send: fields that are unknown are nothing to us, but no value of another type."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Feature(_Lenient):
    """A value of a device: ``property`` is its key in states and commands, empty where it has none."""

    type: Key
    name: str = ""
    label: Annotated[str, Field(max_length=100)] = ""
    key: Annotated[str, Field(max_length=100)] = Field("", alias="property")
    access: int = 0
    endpoint: Key | None = None
    category: str | None = None
    unit: Annotated[str, Field(max_length=32)] | None = None
    value_on: Scalar = None
    value_off: Scalar = None
    value_min: float | None = None
    value_max: float | None = None
    value_step: Annotated[float, Field(gt=0)] | None = None
    values: list[str | int | float] = []

    @property
    def published(self) -> bool:
        """Whether states have it."""
        return bool(self.key) and bool(self.access & _PUBLISHED)

    @property
    def settable(self) -> bool:
        """Whether commands may have it."""
        return bool(self.key) and bool(self.access & _SET)

    @property
    def words(self) -> tuple[str, ...]:
        """The values that are texts."""
        return tuple(value for value in self.values if isinstance(value, str) and value)

    def without_endpoint(self) -> Self:
        """The same value as a group has it: a property has no endpoint there."""
        key = self.key.removesuffix(f"_{self.endpoint}") if self.endpoint else self.key
        return self.model_copy(update={"key": key, "endpoint": None})


class Expose(Feature):
    """A value, or what several values make together: a ``light``, a ``cover``."""

    features: list[Feature] = []
    homeassistant: dict[str, Any] | None = None
    """What Home Assistant is to be told otherwise."""

    def feature(self, *names: str) -> Feature | None:
        """The first feature that has one of some names."""
        return next((feature for feature in self.features if feature.name in names), None)

    @property
    def is_setting(self) -> bool:
        """Whether it is there to set the device up, or to find faults."""
        told = self.homeassistant or {}
        return bool(self.category or told.get("entityCategory") or told.get("enabledByDefault") is False)


def united(exposes: Iterable[Expose]) -> Expose:
    """What devices of one type make together in a group: each feature that one of them has."""
    exposes = tuple(exposes)
    features: dict[str, Feature] = {}
    for expose in exposes:
        for feature in expose.features:
            features.setdefault(feature.name, feature.without_endpoint())
    return Expose(type=exposes[0].type, features=list(features.values()))


class Definition(_Lenient):
    """What zigbee2mqtt knows of a device's model; each of ``exposes`` is read by itself."""

    exposes: list[Any] = []


class DeviceEntry(_Lenient):
    """An entry of ``bridge/devices``."""

    ieee_address: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{16}$")]
    friendly_name: str
    type: str = ""
    disabled: bool = False
    definition: Definition | None = None
    endpoints: dict[str, Any] = {}

    @property
    def ident(self) -> str:
        """What tells it from all others."""
        return self.ieee_address

    def endpoint_name(self, number: str) -> str | None:
        """The name of an endpoint that its properties end with; None where it has none."""
        endpoint = self.endpoints.get(number)
        name = endpoint.get("name") if isinstance(endpoint, dict) else None
        return name if isinstance(name, str) else None


class Member(_Lenient):
    """A member of a group: an endpoint of a device."""

    ieee_address: str
    endpoint: int | str


class GroupEntry(_Lenient):
    """An entry of ``bridge/groups``."""

    id: Annotated[int, Field(ge=0, lt=2**16)]
    friendly_name: str
    members: list[Member] = []

    @property
    def ident(self) -> str:
        """What tells it from all others of one zigbee2mqtt."""
        return str(self.id)
