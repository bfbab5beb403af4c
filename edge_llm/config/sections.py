"""The settings: one frozen section for each part of the service, and Settings, which holds them all.

The descriptions here are also those of docs/configuration.md and config/edge_llm.example.yaml, which
scripts/reference.py makes.
"""

import re
import socket
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from edge_llm.config.documents import DocumentsSettings
from edge_llm.config.engine import EngineSettings
from edge_llm.config.house import HouseSettings
from edge_llm.config.identifier import Identifier
from edge_llm.config.sampling import SamplingSettings
from edge_llm.config.voice import VoiceSettings
from edge_llm.config.web import WebSettings
from edge_llm.errors import ConfigError

ENV_PREFIX = "EDGE_LLM_"
TOPIC_PATTERN = r"^[^+#\x00/]+(/[^+#\x00/]+)*$"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
SHARED_LEVELS = ("house", "pool")
"""Levels below the base topic that belong to no node."""


def _hostname() -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64] or "node"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NodeSettings(_Section):
    """The identity of this node."""

    id: Identifier = Field(
        default_factory=_hostname,
        description="name of this node in its topics; default: the host name",
        examples=["node"],
    )
    release: Identifier | None = Field(
        None, description="id of the installed release, shown in info; set by the fleet's playbooks"
    )


class MqttSettings(_Section):
    """The connection to the broker, and the limits of what clients may send."""

    host: str = Field("localhost", description="host name or address of the broker")
    port: int = Field(1883, ge=1, le=65535, description="TCP port of the broker; usually 8883 with TLS")
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="MQTT version; auto tries 5 first, then 3.1.1"
    )
    keepalive_s: int = Field(30, ge=5, le=3600, description="maximum seconds without a packet to the broker")
    base_topic: str = Field(
        "edge_llm", pattern=TOPIC_PATTERN, description="first part of every topic of the node"
    )
    username: str | None = Field(None, description="user name at the broker")
    password: SecretStr | None = Field(
        None, description="password at the broker; better in password_file or the environment"
    )
    password_file: Path | None = Field(None, description="file that holds the password, in one line")
    tls: bool = Field(default=False, description="encrypt, and verify the broker's certificate")
    ca_file: Path | None = Field(
        None, description="PEM file to verify that certificate with; default: the system's"
    )
    cert_file: Path | None = Field(
        None, description="PEM file with this node's client certificate; needs key_file"
    )
    key_file: Path | None = Field(None, description="PEM file with the key of cert_file")
    pool: Identifier | None = Field(None, description="pool whose requests this node also takes")
    request_bytes: int = Field(65536, ge=256, le=2**20, description="maximum size of a request in bytes")
    requests_per_minute: float = Field(
        120.0, gt=0, description="maximum rate of one client, averaged over time"
    )
    ttl_s: float = Field(
        60.0, gt=0, description="maximum age of a request in seconds; an older one is not begun"
    )
    response_topics: tuple[str, ...] = Field(
        (), description="topic filters that an MQTT 5 Response Topic must match; empty: none is allowed"
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
        """The password: from ``password_file`` if that is set, else ``password``.

        Raises:
            ConfigError: the file cannot be read.
        """
        if self.password_file is None:
            return self.password.get_secret_value() if self.password else None
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"mqtt.password_file {self.password_file}: {error.strerror}") from error


class SessionsSettings(_Section):
    """Conversations that the node remembers."""

    file: Path | None = Field(
        None, description="sqlite file that keeps sessions and answered requests over a restart"
    )
    max_sessions: int = Field(
        100, ge=1, description="maximum number of sessions; the one unused for longest goes first"
    )
    max_age_s: float = Field(
        604800.0, gt=0, description="seconds after its last turn until a session is forgotten"
    )


class TelemetrySettings(_Section):
    """The node's telemetry, and where its power is measured."""

    period_s: float = Field(10.0, ge=1, le=3600, description="seconds between two telemetry messages")
    active_period_s: float | None = Field(
        None, ge=1, description="the same while replies are in progress; default: period_s"
    )
    meter_topic: str | None = Field(
        None,
        min_length=1,
        pattern=r"^[^+#\x00]*$",
        description="topic on which a metering plug publishes watts, at least once a minute",
    )
    meter_path: str = Field(
        "",
        description="path to the watts in its JSON, for example ENERGY.Power; empty: a plain number",
    )
    tdp_watts: float | None = Field(
        None, gt=0, description="the processor's TDP in watts, to estimate power where no sensor can be read"
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="TCP port on loopback for OpenMetrics; needs the extra `metrics`"
    )


class HomeAssistantSettings(_Section):
    """The node as a device in Home Assistant, by MQTT discovery."""

    enabled: bool | None = Field(
        None, description="true announces the node, false removes it, null leaves discovery topics alone"
    )
    prefix: str = Field(
        "homeassistant",
        pattern=TOPIC_PATTERN,
        description="discovery prefix of Home Assistant's MQTT options",
    )
    object_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="id of the device in its discovery topic and entities; default: node.id",
    )
    name: str | None = Field(None, description="name of the device; default: edge_llm and node.id")
    client: Identifier = Field(
        "homeassistant", description="client id of Home Assistant; with an ACL: its user name at the broker"
    )


class RouteSettings(_Section):
    """A hub's own topic that asks, and the topic that its answer goes to.

    ``{name}`` as a whole level of ``topic`` matches any level. It can be used in ``answer``, ``system``,
    ``session`` and ``area``.
    """

    topic: str = Field(
        description="topic that asks, with plain text or a request as JSON", examples=["home/{room}/ask"]
    )
    answer: str = Field(description="topic of the answer", examples=["home/{room}/answer"])
    format: Literal["text", "json"] = Field(
        "text", description="of the answer: text is the reply alone, json the terminal frame"
    )
    system: str | None = Field(
        None,
        description="system prompt of its requests",
        examples=["You are the assistant in the {room}. Answer in one sentence."],
    )
    session: str | None = Field(
        None, description="session of its requests, here one for each room", examples=["{room}"]
    )
    max_tokens: int | None = Field(
        None, ge=1, description="maximum length of a reply in tokens", examples=[100]
    )
    act: bool = Field(default=False, description="its requests are sentences to the house; without system")
    area: str | None = Field(
        None, description="with act: where the one who speaks is, id or name of an area", examples=["{room}"]
    )
    client: Identifier = Field(
        "route", description="client id under which its requests are counted and its sessions kept"
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        levels = self.topic.split("/")
        names = {level[1:-1] for level in levels if PLACEHOLDER.fullmatch(level)}
        literal = "/".join(level for level in levels if not PLACEHOLDER.fullmatch(level))
        if re.search(r"[+#{}\x00]", literal) or re.search(r"[+#\x00]", self.answer):
            raise ValueError("topics have no wildcards, and a placeholder is a whole level: home/{room}/ask")
        for text in (self.answer, self.system or "", self.session or "", self.area or ""):
            if unknown := set(PLACEHOLDER.findall(text)) - names:
                raise ValueError(f"{{{min(unknown)}}} is not a level of {self.topic}")
        if self.act and self.system is not None:
            raise ValueError("system and act do not go together: an act has a system prompt of its own")
        if self.area is not None and not self.act:
            raise ValueError("area is of use with act: true alone")
        return self


class Settings(BaseSettings):
    """All settings. Each part of the service is given its own section only."""

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
    house: HouseSettings = HouseSettings()
    web: WebSettings = WebSettings()
    documents: DocumentsSettings = DocumentsSettings()
    voice: VoiceSettings = VoiceSettings()
    routes: tuple[RouteSettings, ...] = ()

    @model_validator(mode="after")
    def _ids_of_their_own(self) -> Self:
        if self.node.id in SHARED_LEVELS:
            topic = f"{self.mqtt.base_topic}/{self.node.id}"
            raise ValueError(f"node.id: {topic} belongs to all nodes; name this one otherwise")
        if self.documents.id in SHARED_LEVELS:
            topic = f"{self.mqtt.base_topic}/{self.documents.id}"
            raise ValueError(f"documents.id: {topic} belongs to all nodes; name it otherwise")
        if self.node.id == self.documents.id:
            raise ValueError(
                f"node.id: {self.node.id} is the id of `edge-llm documents`; name this node otherwise, or set"
                " documents.id"
            )
        return self

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
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - its signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - its signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the YAML file's values."""
        return env_settings, init_settings
