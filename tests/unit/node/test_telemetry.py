"""A node publishes its telemetry, takes its meter's messages, and says what OpenMetrics needs."""

import sys
from typing import Any
from unittest.mock import create_autospec

import pytest

from edge_llm.config import TelemetrySettings
from edge_llm.contract.node import Telemetry
from edge_llm.contract.topics import Topics
from edge_llm.errors import ConfigError
from edge_llm.host.power.choose import choose_source
from edge_llm.host.power.meter import ExternalMeter
from edge_llm.host.power.source import Unavailable
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription
from edge_llm.node.telemetry import TelemetryPublisher, meter_subscriptions, open_metrics
from tests.homeassistant import TELEMETRY


def test_metrics_without_their_package_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edge_llm.telemetry.openmetrics", None)
    with pytest.raises(
        ConfigError, match=r"^telemetry\.metrics_port needs .*pip install 'edge-llm\[metrics\]'"
    ):
        open_metrics(TelemetrySettings(metrics_port=9464), "a model")


def test_metrics_are_served_where_a_port_is_configured_alone() -> None:
    assert open_metrics(TelemetrySettings(), "a model") is None


def test_the_meters_messages_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for a retained one, of unknown age; one that a route has subscribed to goes both ways."""
    counted, passed = list[bytes](), list[Message]()
    monkeypatch.setattr(ExternalMeter, "on_payload", lambda _self, payload: counted.append(payload))
    settings = TelemetrySettings(meter_topic="plug")
    for filters in ((), ("+",), ("plug",)):
        routes = dict.fromkeys(filters, Subscription(passed.append))
        meter = meter_subscriptions(settings, choose_source(settings), routes)["plug"]
        assert (meter.qos, meter.on_demand) == ((1, False) if "plug" in routes else (0, True))
        routed = Message("plug", b"3", qos1=True)
        for message in (Message("plug", b"1", retained=True), Message("plug", b"2"), routed):
            meter.on_message(message)
        assert passed == ([routed] if filters else [])
        passed.clear()
    assert counted == 3 * [b"2", b"3"]


def test_without_a_meter_nothing_is_subscribed() -> None:
    assert meter_subscriptions(TelemetrySettings(), Unavailable("-"), {}) == {}


def test_telemetry_is_published_at_qos_0_while_there_is_a_broker() -> None:
    connection: Any = create_autospec(Connection, instance=True)
    telemetry = Telemetry.model_validate(TELEMETRY)
    publisher = TelemetryPublisher(connection, Topics("edge_llm", "kitchen-pc"))
    connection.ready = False
    publisher.emit(telemetry, ())
    connection.publish.assert_not_called()
    connection.ready = True
    publisher.emit(telemetry, ())
    connection.publish.assert_called_once_with("edge_llm/kitchen-pc/telemetry", telemetry.encode(), qos=0)
