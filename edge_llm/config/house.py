"""The settings of the house: what describes it, what the node may do in it, and what it asks about first."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

WHOLE_HOUSE = "all"
"""Entry of ``confirm`` for an act on the whole house."""
_NAME = "[a-z][a-z0-9_]{0,63}"
_TOPIC = r"^[^+#\x00/$][^+#\x00]*$"
ActedKind = Annotated[str, Field(pattern=f"^{_NAME}$")]
Confirmed = Annotated[str, Field(pattern=f"^{_NAME}(:{_NAME})?$")]
"""A kind, a kind with its class as ``cover:garage``, or WHOLE_HOUSE."""


class HouseSettings(BaseModel):
    """The devices that sentences act on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path | None = Field(
        None, description="JSON or YAML file that describes the house, beside what the broker has of it"
    )
    discovery: str | None = Field(
        None,
        pattern=_TOPIC,
        description="prefix of Home Assistant's MQTT discovery, usually homeassistant: what announces itself"
        " there are devices of the house",
    )
    zigbee2mqtt: str | None = Field(
        None,
        pattern=_TOPIC,
        description="base topic of a zigbee2mqtt whose devices and groups are devices, too",
    )
    accept: Literal["all"] | Path | None = Field(
        None,
        description="which of these devices count: all, or those in this file, which `edge-llm house accept`"
        " writes",
    )
    area_pattern: str | None = Field(
        None,
        pattern=r"^[^{}]*\{(area\}[^{}]+\{name|name\}[^{}]+\{area)\}[^{}]*$",
        description="how their names tell the area: '{area}/{name}' of kitchen/ceiling lamp",
    )
    language: str = Field(
        "en", pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", description="language that is spoken to them"
    )
    states: bool = Field(
        True,  # noqa: FBT003 - a default
        description="whether the node follows their states, to answer questions and to see what acts came to",
    )
    act: tuple[ActedKind, ...] = Field(
        (), description="kinds of these devices that the node moves itself, such as light, switch and cover"
    )
    confirm: tuple[Confirmed, ...] = Field(
        (
            "lock",
            "alarm_control_panel",
            "valve",
            "cover:garage",
            "cover:gate",
            "cover:door",
            WHOLE_HOUSE,
        ),
        description="what is asked about before it is done: kind, kind:class, or all (the whole house)",
    )
