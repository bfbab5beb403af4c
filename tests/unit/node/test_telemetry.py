"""What a node's telemetry takes from its connection, and what it needs to be installed."""

import sys

import pytest

from edge_llm.config import TelemetrySettings
from edge_llm.errors import ConfigError
from edge_llm.host.power.meter import ExternalMeter
from edge_llm.mqtt.message import Message
from edge_llm.node.telemetry import NodeTelemetry


def test_metrics_without_their_package_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edge_llm.telemetry.openmetrics", None)
    with pytest.raises(
        ConfigError, match=r"^telemetry\.metrics_port needs .*pip install 'edge-llm\[metrics\]'"
    ):
        NodeTelemetry(TelemetrySettings(metrics_port=9464))


def test_the_meters_messages_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for a retained one, of unknown age; one that a route has subscribed to goes both ways."""
    counted, passed = list[bytes](), list[Message]()
    monkeypatch.setattr(ExternalMeter, "on_payload", lambda _self, payload: counted.append(payload))
    on_message = NodeTelemetry(TelemetrySettings(meter_topic="plug")).filter(passed.append)
    request, routed = Message("edge_llm/n/request/c", b"?"), Message("plug", b"3", qos1=True)
    for message in (Message("plug", b"1", retained=True), Message("plug", b"2"), request, routed):
        on_message(message)
    assert counted == [b"2", b"3"]
    assert passed == [request, routed]
