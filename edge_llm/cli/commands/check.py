"""`edge-llm check`: checks configuration, bundle, cores and broker, and warns about access for strangers."""

import argparse
import json
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from edge_llm.bundle import Bundle, open_bundle
from edge_llm.client.broker_limit import BrokerLimit
from edge_llm.config import DEFAULT_PATH, EngineSettings, HouseSettings, MqttSettings, Settings, load_settings
from edge_llm.contract.topics import Topics
from edge_llm.errors import BundleError, ConfigError
from edge_llm.gateway.routes import Routes
from edge_llm.homeassistant.discovery import status_topics
from edge_llm.host.cpu import plan_pinning
from edge_llm.host.memory import read_memory
from edge_llm.house.announced.accepted import read_accepted
from edge_llm.house.announced.sources import DeviceSources
from edge_llm.house.sources.file import read_house
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.subscriptions import Subscription
from edge_llm.state.file import find_directory_problem, find_problem

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_BROKER_S = 12.0
"""Seconds to wait for the broker; enough to find out what else listens there."""
_TRIAL_MEMORY = 1.5
"""Peak memory of a trial as a multiple of the bundle's size: weights, packed, while the file is read."""
_TRIAL_MEMORY_MB = 150
"""Peak memory of a trial beside that, in MB: tokenizer and work space."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    level: Literal["ok", "warning", "failed"]
    part: str
    text: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``check``."""
    parser.add_argument("--no-broker", action="store_true", help="do not try to connect")


def run(options: argparse.Namespace) -> int:
    """Check configuration, bundle, cores and broker; exit code 1 if one of them fails."""
    settings = load_settings(options.config)
    path = options.config or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    findings = [
        Finding("ok", "configuration", str(path or "defaults and environment")),
        *_check_engine(settings),
        *_check_state(settings),
        *_check_house(settings.house),
        *_check_exposure(settings.mqtt, path),
        *(() if options.no_broker else _check_broker(settings)),
    ]
    failed = any(finding.level == "failed" for finding in findings)
    if options.json:
        print(json.dumps({"ok": not failed, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(f"{finding.level:<8} {finding.part:<14} {finding.text}")
    return int(failed)


def _check_engine(settings: Settings) -> Iterator[Finding]:
    engine = settings.engine
    yield from _check_bundle(engine)
    try:
        plan = plan_pinning(engine.inference_cores)
    except ConfigError as error:
        yield Finding("failed", "cores", str(error))
    else:
        yield Finding("ok", "cores", f"{', '.join(map(str, plan.cores))} ({plan.mode})")


def _check_bundle(engine: EngineSettings) -> Iterator[Finding]:
    """Compare checksums, and try the bundle if there is memory for it beside a running service."""
    try:
        bundle = open_bundle(engine.bundle)
        short = _short_of_memory(bundle)
        if not short:
            from edge_llm.convert.trial import try_bundle  # ONNX Runtime, which few commands need

            try_bundle(bundle, threads=1)
    except BundleError as error:
        yield Finding("failed", "bundle", str(error))
        return
    manifest = bundle.manifest
    try:
        engine.context_of(manifest.name, manifest.context_tokens)
    except ConfigError as error:
        yield Finding("failed", "bundle", str(error))
    tried = "" if short else ", it answers"
    yield Finding("ok", "bundle", f"{manifest.name}, {manifest.quantization}, every checksum fits{tried}")
    if short:
        yield Finding("warning", "bundle", short)


def _short_of_memory(bundle: Bundle) -> str:
    """Say why the bundle is not tried: a trial must not take the memory of a service that runs."""
    mb = 10**6
    size = sum(file.stat().st_size for file in bundle.path.iterdir() if file.is_file())
    needed = int(_TRIAL_MEMORY * size) + _TRIAL_MEMORY_MB * mb
    available = read_memory().get("available_bytes", needed)
    if available >= needed:
        return ""
    return f"not tried: that takes about {needed // mb} MB of memory, {available // mb} MB are available"


def _check_state(settings: Settings) -> Iterator[Finding]:
    """Warn if sessions or prefixes cannot be kept over a restart; the node serves all the same."""
    file, directory = settings.sessions.file, settings.engine.prefix_store
    problems = file and find_problem(file), directory and find_directory_problem(directory)
    for setting, problem in zip(("sessions.file", "engine.prefix_store"), problems, strict=True):
        if problem:
            yield Finding("warning", "state", f"{setting}: {problem}; what it would keep is in memory only")
    if (file or directory) and not any(problems):
        yield Finding("ok", "state", ", ".join(str(path) for path in (file, directory) if path))


def _check_house(house: HouseSettings) -> Iterator[Finding]:
    """Read the files that describe the house and its accepted devices, if there are any."""
    try:
        if house.file:
            devices = len(read_house(house.file).devices)
            yield Finding("ok", "house", f"{house.file}, {devices} devices")
        if house.discovery or house.zigbee2mqtt:
            yield from _check_devices(house)
        elif house.act:
            text = "house.act moves nothing: set house.discovery or house.zigbee2mqtt, or leave it empty"
            yield Finding("warning", "house", text)
    except ConfigError as error:
        yield Finding("failed", "house", str(error))


def _check_devices(house: HouseSettings) -> Iterator[Finding]:
    """Report the accepted devices, and the kinds of them that the node moves."""
    if house.accept == "all":
        accepted = "all that announce themselves"
        if house.act:
            text = "house.accept is all: whoever may announce devices chooses what the node publishes"
            yield Finding("warning", "house", f"{text}; let the broker's ACL say who, or see edge-llm house")
    elif house.accept:
        accepted = f"{len(read_accepted(house.accept))} in {house.accept}"
    else:
        yield Finding(
            "warning", "house", "no device is accepted: set house.accept, see edge-llm house --help"
        )
        return
    moved = ", ".join(house.act) or "nothing"
    yield Finding("ok", "house", f"devices: {accepted}; the node moves {moved}")


def _check_exposure(mqtt: MqttSettings, config: Path | None) -> Iterator[Finding]:
    if mqtt.host not in _LOOPBACK:
        if not mqtt.tls:
            text = f"prompts cross the network to {mqtt.host} in plain text: set mqtt.tls"
            yield Finding("warning", "encryption", text)
        if not mqtt.username and not mqtt.cert_file:
            text = (
                "the broker lets this node in without asking who it is: set mqtt.username and password_file"
            )
            yield Finding("warning", "identity", text)
    secrets = [mqtt.password_file, mqtt.key_file, config if mqtt.password and config else None]
    for path in secrets:
        if path and path.exists() and path.stat().st_mode & stat.S_IROTH:
            yield Finding("warning", "secrets", f"every user of this host can read {path}: chmod o= {path}")


def _check_broker(settings: Settings) -> Iterator[Finding]:
    """Connect under another client id, so that a running service is not disconnected."""
    mqtt = settings.mqtt
    where = f"{mqtt.host}:{mqtt.port}"
    topics = Topics(mqtt.base_topic, settings.node.id, mqtt.pool)
    filters = (*topics.inbound, *Routes(settings.routes).filters, *status_topics(settings.homeassistant))
    filters = (
        *filters,
        *DeviceSources(settings.house.discovery, settings.house.zigbee2mqtt, topics.base).filters,
    )
    if topics.shared:
        filters = (*filters, topics.shared)
    subscriptions = dict.fromkeys(filters, Subscription(lambda _message: None))
    size = BrokerLimit(topics.echo)
    subscriptions[size.topic] = size.subscription
    try:
        connection = Connection(mqtt, f"edge_llm-check-{uuid4().hex[:8]}", subscriptions)
    except ConfigError as error:
        yield Finding("failed", "broker", str(error))
        return
    connection.start()
    ready = connection.wait_ready(_BROKER_S)
    failure = connection.failure or "no answer"
    limit = size.find(connection) if ready else None
    connection.stop()
    if ready:
        encrypted = "TLS" if mqtt.tls else "plain text"
        yield Finding("ok", "broker", f"{where}, MQTT {connection.protocol}, {encrypted}")
        if limit:
            text = (
                f"the broker takes {limit}: longer replies end in too_large, and what else is longer is left"
                " out; raise its limit (mosquitto: max_packet_size, message_size_limit)"
            )
            yield Finding("warning", "packet size", text)
    else:
        yield Finding("failed", "broker", f"{where}: {failure}")
