"""The settings of the engine: the bundle, its place on the machine, and the limits of its work."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from edge_llm.errors import ConfigError

_CONTEXT_TOKENS = 8192  # where none is configured; less with a model that has less


def _off(value: object) -> object:
    """Read ``off`` as it stands: without quotes it is false in YAML 1.1."""
    return "off" if value is False else value


class EngineSettings(BaseModel):
    """The model, and what it may use of the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(
        "Qwen/Qwen2.5-0.5B-Instruct", description="model from which `edge-llm prepare` makes the bundle"
    )
    bundle: Path = Field(
        Path("/var/lib/edge_llm/bundle"), description="directory of the bundle that is served"
    )
    inference_cores: str = Field(
        "auto",
        coerce_numbers_to_str=True,
        description="CPUs for inference: auto, a list (2-5,8), or none (as many threads as auto, not bound)",
    )
    mlock: bool = Field(
        default=False,
        description="lock the process's memory, weights in pages of 2 MB; needs LimitMEMLOCK (ulimit -l)",
    )
    context_tokens: int | None = Field(
        None,
        ge=64,
        description=f"maximum tokens of prompt and reply; default: {_CONTEXT_TOKENS}, or the model's",
    )
    prefill_graph: bool = Field(
        default=True, description="read prompts through the bundle's prefill graph, where that can be done"
    )
    constraints: Annotated[Literal["lazy", "preload", "off"], BeforeValidator(_off)] = Field(
        "lazy",
        description="load what tools, JSON schemas and acts need at first use or with a house, at the start, "
        "or never",
    )
    slots: int = Field(2, ge=1, le=16, description="maximum number of replies in progress at the same time")
    prefix_cache_mb: int = Field(
        512, ge=0, description="memory in MB for the prefixes of earlier prompts; 0 turns the cache off"
    )
    prefix_store: Path | None = Field(
        None, description="directory that keeps prefilled prefixes over a restart; as much space again"
    )
    queue_limit: int = Field(
        16, ge=1, description="maximum number of waiting requests; one more is refused as busy"
    )
    grace_s: float = Field(8.0, ge=0, description="seconds that SIGTERM leaves to replies in progress")

    @property
    def constrains(self) -> bool:
        """True where replies may be calls of tools, or JSON by a schema."""
        return self.constraints != "off"

    def context_of(self, model: str, model_tokens: int) -> int:
        """The context in tokens with a model that has ``model_tokens``.

        Raises:
            ConfigError: ``context_tokens`` asks for more than that.
        """
        if self.context_tokens is None:
            return min(_CONTEXT_TOKENS, model_tokens)
        if self.context_tokens > model_tokens:
            raise ConfigError(f"engine.context_tokens: {model} has {model_tokens}, not {self.context_tokens}")
        return self.context_tokens
