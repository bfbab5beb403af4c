"""Every thread and timer has an owner that ends it: a service that has stopped leaves none behind."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_llm.bundle import Bundle, open_bundle
from edge_llm.config import EngineSettings, HomeAssistantSettings, MqttSettings, Settings, TelemetrySettings
from edge_llm.contract.topics import ONLINE
from edge_llm.convert.prepare import Quantization
from edge_llm.demo.processes import free_port
from edge_llm.engine.onnx.loading import LoadingModel
from edge_llm.node.service import Service
from tests.common import eventually
from tests.conversation import Hub
from tests.processes import Broker

OURS = {"engine", "publisher", "mqtt", "telemetry", "house", "watchdog", "metrics", "homeassistant"}


def named() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_a_stopped_service_has_ended_its_threads_and_timers(
    broker: Broker,
    bundle: Callable[[Quantization], Bundle],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped while Home Assistant's timer runs, with a manager that is told how it is."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    engine = EngineSettings(bundle=bundle("int8").path, grace_s=0)
    before = set(threading.enumerate())
    settings = Settings(
        mqtt=MqttSettings(host="127.0.0.1", port=broker.port),
        engine=engine,
        telemetry=TelemetrySettings(metrics_port=free_port()),
        homeassistant=HomeAssistantSettings(enabled=True),
    )
    service = Service(settings, LoadingModel(open_bundle(engine.bundle), engine))
    service.start()
    try:
        hub = Hub(broker.port, "homeassistant/#")
        eventually(lambda: service.status().startswith("serving"))
        hub.publish("homeassistant/status", ONLINE)
        eventually(lambda: named() >= OURS)
        hub.close()
    finally:
        service.stop()
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert left == []
