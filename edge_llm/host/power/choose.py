"""Chooses the source of power figures: the configured meter, else the host's best sensor, else a model."""

import os
from collections.abc import Callable
from pathlib import Path

from edge_llm.config import TelemetrySettings
from edge_llm.host.power.meter import ExternalMeter, TdpModel
from edge_llm.host.power.rapl import find_rapl
from edge_llm.host.power.sensors import find_battery, find_hwmon
from edge_llm.host.power.source import PowerSource, Unavailable, UnreadableError
from edge_llm.host.usage import read_busy_seconds

_FINDERS: dict[str, Callable[[Path], PowerSource]] = {
    "rapl": find_rapl,
    "hwmon": find_hwmon,
    "battery": find_battery,
}
"""Best first."""


def survey(root: Path = Path("/")) -> dict[str, PowerSource | str]:
    """Look for each kind of sensor: returns its source, or the reason why this host has none."""
    found: dict[str, PowerSource | str] = {}
    for name, find in _FINDERS.items():
        try:
            found[name] = find(root)
        except UnreadableError as error:
            found[name] = str(error)
    return found


def choose_source(settings: TelemetrySettings, root: Path = Path("/")) -> PowerSource:
    """Take the configured meter, for its owner wants it; else the host's best sensor, else the model."""
    if settings.meter_topic:
        return ExternalMeter(settings.meter_path)
    found = survey(root)
    for source in found.values():
        if not isinstance(source, str):
            return source
    if settings.tdp_watts:
        return TdpModel(settings.tdp_watts, lambda: read_busy_seconds() / (os.cpu_count() or 1))
    reasons = "; ".join(reason for reason in found.values() if isinstance(reason, str))
    return Unavailable(f"{reasons}; a metering plug can help: telemetry.meter_topic")
