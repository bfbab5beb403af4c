"""The settings of the house: a file that describes it, and what is asked about before it is done."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

WHOLE_HOUSE = "all"
"""Entry of ``confirm`` for an act on the whole house."""
_NAME = "[a-z][a-z0-9_]{0,63}"
Confirmed = Annotated[str, Field(pattern=f"^{_NAME}(:{_NAME})?$")]
"""A kind, a kind with its class as ``cover:garage``, or WHOLE_HOUSE."""


class HouseSettings(BaseModel):
    """The devices that sentences act on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path | None = Field(
        None, description="JSON or YAML file that describes the house, beside what the broker has of it"
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
