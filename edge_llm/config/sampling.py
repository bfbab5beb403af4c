"""The sampling parameters: their ranges, for settings, requests and bundles, and the settings' defaults."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Temperature = Annotated[float, Field(ge=0, le=5)]
TopP = Annotated[float, Field(gt=0, le=1)]
TopK = Annotated[int, Field(ge=0)]
MinP = Annotated[float, Field(ge=0, le=1)]
RepetitionPenalty = Annotated[float, Field(gt=0, le=5)]
Penalty = Annotated[float, Field(ge=-2, le=2)]


class SamplingSettings(BaseModel):
    """Defaults for requests that do not set these themselves.

    Where one is null, the bundle's recommendation counts; without one the reply is greedy, without penalties.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int = Field(256, ge=1, description="maximum length of a reply in tokens")
    temperature: Temperature | None = Field(
        None, description="randomness of the reply; 0 is greedy: always the likeliest token"
    )
    top_p: TopP | None = Field(
        None, description="sample among the likeliest tokens with this total probability; 1 means all"
    )
    top_k: TopK | None = Field(None, description="sample among this many likeliest tokens; 0 means all")
    min_p: MinP | None = Field(
        None, description="sample among tokens with this share of the likeliest one's chance; 0 means all"
    )
    repetition_penalty: RepetitionPenalty | None = Field(
        None, description="makes tokens of the prompt and the reply less likely if above 1, once each"
    )
    frequency_penalty: Penalty | None = Field(
        None, description="makes tokens of the reply less likely, each time that they were used; 0 is off"
    )
    presence_penalty: Penalty | None = Field(
        None, description="makes tokens of the reply less likely, once each; 0 is off"
    )
    timeout_s: float = Field(120.0, gt=0, description="maximum seconds from arrival to the end of the reply")
