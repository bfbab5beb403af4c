"""The settings of `edge-llm web`: where the page and the API are, and who may use them."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from edge_llm.errors import ConfigError

_LEAST_TOKEN = 16
"""Minimum characters of a token: nobody guesses one of these."""
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,252})$")]


class WebSettings(BaseModel):
    """The page and the API of `edge-llm web`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        "127.0.0.1", min_length=1, description="address to listen on; one beyond loopback needs token_file"
    )
    port: int = Field(8088, ge=1, le=65535, description="TCP port of the page and the API")
    token_file: Path | None = Field(
        None, description="file that holds the token, in one line: the page's login and the API's key"
    )
    hosts: tuple[HostName, ...] = Field(
        (), description="names by which browsers and clients reach it, beside addresses and the host name"
    )
    requests_per_minute: float = Field(
        600.0, gt=0, description="maximum rate of replies for one address, averaged over time"
    )

    def token(self) -> str | None:
        """The token; None where nobody is asked for one.

        Raises:
            ConfigError: the file cannot be read, its token is too short, or ``host`` needs one.
        """
        if self.token_file is None:
            if not _is_loopback(self.host):
                raise ConfigError(
                    f"web.host {self.host} is reached from elsewhere: set web.token_file, to a file with a"
                    " long random token"
                )
            return None
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise ConfigError(f"web.token_file {self.token_file}: {reason}") from error
        if len(token) < _LEAST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
            raise ConfigError(
                f"web.token_file {self.token_file}: a token has at least {_LEAST_TOKEN} letters and digits,"
                " such as `openssl rand -hex 24` prints"
            )
        return token


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
