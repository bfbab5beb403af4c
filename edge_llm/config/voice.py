"""The settings of `edge-llm voice`: where speech programs reach the node, by the Wyoming protocol."""

from pydantic import BaseModel, ConfigDict, Field


class VoiceSettings(BaseModel):
    """The Wyoming server of `edge-llm voice`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="address to listen on; Wyoming has no authentication: beyond loopback, whoever reaches it"
        " may speak to the house, and it is announced by zeroconf",
    )
    port: int = Field(10500, ge=1, le=65535, description="TCP port of the Wyoming server")
    area: str | None = Field(
        None,
        min_length=1,
        description="where those who speak are, if they do not say it: id or name of an area",
    )
    max_tokens: int = Field(
        120, ge=1, description="maximum length of a spoken reply in tokens; it ends with a whole sentence"
    )
