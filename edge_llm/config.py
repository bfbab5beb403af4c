"""The configuration: frozen settings, one section a part; environment over YAML over the defaults here.

``EDGE_LLM_MQTT__HOST=broker`` is ``mqtt: {host: broker}`` in YAML. Unknown keys are refused.
"""

import difflib
import os
import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from edge_llm.errors import ConfigError

ENV_PREFIX = "EDGE_LLM_"
DEFAULT_PATH = Path("/etc/edge_llm/edge_llm.yaml")
ID_PATTERN = r"^[A-Za-z0-9_.-]{1,64}$"
TOPIC_PATTERN = r"^[^+#\x00/]+(/[^+#\x00/]+)*$"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
Identifier = Annotated[str, Field(pattern=ID_PATTERN)]


def _hostname() -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64] or "node"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NodeSettings(_Section):
    """Who this node is."""

    id: Identifier = Field(default_factory=_hostname, description="default: the host's name")
    release: Identifier | None = Field(None, description="what is installed here, for its retained info")


class MqttSettings(_Section):
    """How to reach the broker."""

    host: str = "localhost"
    port: int = Field(1883, ge=1, le=65535)
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    keepalive_s: int = Field(30, ge=5, le=3600)
    base_topic: str = Field("edge_llm", pattern=TOPIC_PATTERN)
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = Field(None, description="read instead of password; one line")
    tls: bool = Field(default=False, description="encrypt, and verify the broker's certificate")
    ca_file: Path | None = Field(None, description="PEM to verify it by; default: the system's")
    cert_file: Path | None = Field(None, description="PEM: a client certificate to show; needs key_file")
    key_file: Path | None = None
    pool: Identifier | None = Field(None, description="take requests of this pool too")
    request_bytes: int = Field(16384, ge=256, le=2**20, description="a request may have so many")
    requests_per_minute: float = Field(120.0, gt=0, description="of one client, in the long run")
    ttl_s: float = Field(60.0, gt=0, description="a request older than this does not begin any more")
    response_topics: tuple[str, ...] = Field(
        (), description="filters of topics that an MQTT 5 Response Topic may name"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("ca_file and cert_file are of use with tls: true alone")
        if self.password and self.password_file:
            raise ValueError("give password or password_file, not both")
        if (self.password or self.password_file) and not self.username:
            raise ValueError("a password needs a username")
        return self

    def secret(self) -> str | None:
        """The password, from its file when one is named.

        Raises:
            ConfigError: the file cannot be read.
        """
        if self.password_file is None:
            return self.password.get_secret_value() if self.password else None
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"mqtt.password_file {self.password_file}: {error.strerror}") from error


class EngineSettings(_Section):
    """The model and what it may use."""

    source: str = Field(
        "Qwen/Qwen2.5-0.5B-Instruct", description="what `edge-llm prepare` makes the bundle from"
    )
    bundle: Path = Path("/var/lib/edge_llm/bundle")
    inference_cores: str = Field(
        "auto", coerce_numbers_to_str=True, description='"auto", "none" (bound to nothing), or a list: 2-5,8'
    )
    mlock: bool = Field(default=False, description="lock the memory, model included; needs LimitMEMLOCK")
    context_tokens: int = Field(2048, ge=64, description="prompt and reply together")
    slots: int = Field(2, ge=1, le=16, description="replies made at the same time")
    prefix_cache_mb: int = Field(256, ge=0, description="memory for computed prefixes; 0 is off")
    prefix_store: Path | None = Field(
        None, description="directory that keeps prepared prefixes over a restart"
    )
    queue_limit: int = Field(16, ge=1, description="requests that may wait; more are answered busy")
    grace_s: float = Field(8.0, ge=0, description="SIGTERM lets replies in the making have so long")


class SamplingSettings(_Section):
    """What a request gets that does not say otherwise."""

    max_tokens: int = Field(256, ge=1)
    temperature: float = Field(0.0, ge=0, le=5)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    timeout_s: float = Field(120.0, gt=0)


class SessionsSettings(_Section):
    """Conversations that the node remembers."""

    file: Path | None = Field(None, description="sqlite file that keeps them over a restart")
    max_sessions: int = Field(100, ge=1, description="the longest unused go first")
    max_age_s: float = Field(604800.0, gt=0, description="since their last turn")


class TelemetrySettings(_Section):
    """What the node says of itself, and where its power is measured."""

    period_s: float = Field(10.0, ge=1, le=3600)
    active_period_s: float | None = Field(None, ge=1, description="instead, while replies are made")
    meter_topic: str | None = Field(
        None, min_length=1, pattern=r"^[^+#\x00]*$", description="where a metering plug publishes watts"
    )
    meter_path: str = Field(
        "", description="to the watts in its JSON, such as ENERGY.Power; empty: a plain number"
    )
    tdp_watts: float | None = Field(
        None, gt=0, description="of the processor; without any sensor power is estimated from it"
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="OpenMetrics on loopback; needs the extra `metrics`"
    )


class HomeAssistantSettings(_Section):
    """How the node shows itself to Home Assistant, by MQTT discovery."""

    enabled: bool | None = Field(
        None, description="true announces the node, false takes that back, null leaves the topics alone"
    )
    prefix: str = Field(
        "homeassistant", pattern=TOPIC_PATTERN, description="as in Home Assistant's MQTT options"
    )
    object_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="names the device in its topic and its entities; default: the node's id",
    )
    name: str | None = Field(None, description="of the device; default: edge_llm and the node's id")
    client: Identifier = Field(
        "homeassistant", description="who asks; where the broker has an ACL, Home Assistant's user name"
    )


class RouteSettings(_Section):
    """A hub's own topic that asks, and the one that the answer goes to.

    ``{name}`` as a whole level of ``topic`` stands for whatever is there, and may stand in the others.
    """

    topic: str = Field(description="such as home/{room}/ask; plain text, or a request as JSON")
    answer: str = Field(description="such as home/{room}/answer")
    format: Literal["text", "json"] = Field(
        "text", description="of the answer: its words, or the terminal frame"
    )
    system: str | None = None
    session: str | None = Field(None, description='such as "{room}"')
    max_tokens: int | None = Field(None, ge=1)
    client: Identifier = Field(
        "route", description="whose requests these are, with its rate and its sessions"
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        levels = self.topic.split("/")
        names = {level[1:-1] for level in levels if PLACEHOLDER.fullmatch(level)}
        literal = "/".join(level for level in levels if not PLACEHOLDER.fullmatch(level))
        if re.search(r"[+#{}\x00]", literal) or re.search(r"[+#\x00]", self.answer):
            raise ValueError("topics have no wildcards, and a placeholder is a whole level: home/{room}/ask")
        for text in (self.answer, self.system or "", self.session or ""):
            if unknown := set(PLACEHOLDER.findall(text)) - names:
                raise ValueError(f"{{{min(unknown)}}} is not a level of {self.topic}")
        return self


class Settings(BaseSettings):
    """The whole; each part is handed its own section only."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__"
    )

    node: NodeSettings = NodeSettings()
    mqtt: MqttSettings = MqttSettings()
    engine: EngineSettings = EngineSettings()
    sampling: SamplingSettings = SamplingSettings()
    sessions: SessionsSettings = SessionsSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    homeassistant: HomeAssistantSettings = HomeAssistantSettings()
    routes: tuple[RouteSettings, ...] = ()

    @model_validator(mode="after")
    def _no_circles(self) -> Self:
        asked = [".+".join(map(re.escape, PLACEHOLDER.split(route.topic)[::2])) for route in self.routes]
        for route in self.routes:
            answer = PLACEHOLDER.sub("x", route.answer)
            if f"{answer}/".startswith(f"{self.mqtt.base_topic}/"):
                raise ValueError(f"routes: {route.answer} is among the node's own topics")
            if any(re.fullmatch(topic, answer) for topic in asked):
                raise ValueError(f"routes: an answer on {route.answer} would be asked again")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then what the YAML file said."""
        return env_settings, init_settings


def load_settings(path: Path | None = None) -> Settings:
    """Settings from the YAML file at ``path`` (or DEFAULT_PATH where that exists) under the environment.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is not allowed.
    """
    if path is None and DEFAULT_PATH.exists():
        path = DEFAULT_PATH
    _refuse_unknown_environment()
    try:
        return Settings(**(_read_yaml(path) if path else {}))
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from error
    except ValueError as error:  # pydantic-settings on a variable that is not JSON where it must be
        raise ConfigError(f"environment: {error}") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise ConfigError(f"{path} is not valid YAML: {where}") from error
    if not isinstance(values or {}, dict):
        raise ConfigError(f"{path} must hold sections ({', '.join(Settings.model_fields)})")
    # A section with nothing but comments under it is None: all defaults.
    return {key: value for key, value in (values or {}).items() if value is not None}


def _refuse_unknown_environment() -> None:
    for name in os.environ:
        section = name.removeprefix(ENV_PREFIX).split("__")[0].lower()
        if name.startswith(ENV_PREFIX) and section not in Settings.model_fields:
            raise ConfigError(
                f"environment: {name} is not a setting{_nearest(section, Settings.model_fields)}"
            )


def _explain(error: ValidationError, path: Path | None) -> str:
    first = min(
        error.errors(), key=lambda each: each["type"] != "extra_forbidden"
    )  # a typo explains the rest
    keys = [str(key) for key in first["loc"]]
    where = f"{path}: " if path else ""
    if first["type"] != "extra_forbidden":
        return f"{where}{'.'.join(keys)}: {first['msg']}"
    model: Any = Settings
    for key in first["loc"][:-1]:
        model = model.model_fields[key].annotation if isinstance(key, str) else get_args(model)[0]
    return f"{where}{'.'.join(keys)} is not a setting{_nearest(keys[-1], model.model_fields)}"


def _nearest(name: str, valid: Any) -> str:
    close = difflib.get_close_matches(name, valid, 1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(valid)}"
