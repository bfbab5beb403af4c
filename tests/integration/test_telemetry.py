"""Telemetry and energy of the real service on the real model, over a real broker."""

import json
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from edge_llm.config import MqttSettings
from edge_llm.demo.processes import free_port
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.subscriptions import Subscription
from tests.common import TOPICS, eventually
from tests.conversation import Conversation, Hub
from tests.processes import Broker, Nodes, Service

PLUG = "tele/plug/SENSOR"


@pytest.fixture
def start(node: Nodes) -> Iterator[Callable[..., Service]]:
    """Starts a node with settings of its section `telemetry`."""
    started: list[Service] = []

    def start(**settings: Any) -> Service:
        settings = {f"telemetry__{name}": value for name, value in settings.items()}
        started.append(node(engine__queue_limit=40, **settings))
        return started[-1]

    yield start
    for service in started:
        assert service.stop() == 0
        assert "telemetry.failed" not in service.log_text()


def telemetry(hub: Hub, *, where: Callable[[dict[str, Any]], Any] = lambda _each: True) -> dict[str, Any]:
    """The first telemetry that is as wanted, counted from now."""
    seen = len(hub.on(TOPICS.telemetry))

    def found() -> dict[str, Any] | None:
        return next(
            (each for text in hub.on(TOPICS.telemetry)[seen:] if where(each := json.loads(text))), None
        )

    result: dict[str, Any] = eventually(found, 40)
    return result


def ask(conversation: Conversation, request_id: str, tokens: int) -> None:
    conversation.send(id=request_id, text=f"Tell me tale {request_id}.", max_tokens=tokens)


def test_without_a_sensor_there_is_no_power_and_a_reason(hub: Hub, start: Callable[..., Service]) -> None:
    """This machine is virtual: no figure is made up, in telemetry and in done; the rest is there."""
    start(period_s=1)
    first = telemetry(hub)
    assert first["power"] | {"reason": ""} == {
        "package_watts": None,
        "dram_watts": None,
        "service_watts": None,
        "energy_joules_total": None,
        "quality": "none",
        "service_quality": "none",
        "source": None,
        "method": None,
        "reason": "",
    }
    assert "RAPL" in first["power"]["reason"]
    assert "telemetry.meter_topic" in first["power"]["reason"]
    panel = Conversation(hub, "panel")
    ask(panel, "one", 20)
    frame = panel.answered(1)[0]
    assert frame["energy"] == {"quality": "none", "shared": False}
    panel.say("")
    after = telemetry(hub, where=lambda each: each["llm"]["completion_tokens_total"])
    llm = after["llm"]
    assert (llm["requests_total"], llm["rejected_total"], llm["errors_total"]) == (1, 1, 0)
    assert llm["prompt_tokens_total"] == frame["usage"]["prompt_tokens"]
    assert llm["completion_tokens_total"] == 20
    assert llm["ttft_ms_p50"] == pytest.approx(frame["timing_ms"]["ttft"], abs=0.1)
    assert llm["tokens_per_second"] == pytest.approx(frame["tokens_per_second"], rel=0.01)
    assert llm["joules_per_token"] is None
    assert after["seq"] > first["seq"]
    assert after["boot_time"] == first["boot_time"]
    assert after["memory"]["rss_bytes"] >= after["memory"]["pss_bytes"] > 10**7
    assert after["memory"]["kv_bytes"] > 0
    assert after["memory"]["prefix_cache_bytes"] > 0
    assert after["pinning"]["requested"] == "auto"
    assert 0 <= after["cpu"]["percent"] <= 100


class Plug:
    """A metering plug: another wattage five times a second, and what that is in joules."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._stop = Event()
        self._values: list[tuple[float, float]] = []
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.2):
            watts = 20.0 + 15.0 * (number % 7)
            self._hub.publish(PLUG, json.dumps({"Time": "now", "ENERGY": {"Power": watts}}))
            self._values.append((time.monotonic(), watts))
            number += 1

    def joules(self, begin: float, end: float) -> float:
        """The integral; each value holds until the next."""
        times = [*(instant for instant, _ in self._values), end]
        pieces = zip(self._values, times[1:], strict=True)
        return sum(watts * max(0.0, min(to, end) - max(at, begin)) for (at, watts), to in pieces)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def plug(broker: Broker) -> Iterator[Plug]:
    hub = Hub(broker.port, "nothing")
    plug = Plug(hub)
    yield plug
    plug.close()
    hub.close()


def test_the_joules_of_replies_add_up_to_the_meters(
    hub: Hub, plug: Plug, start: Callable[..., Service]
) -> None:
    """Ten replies one after the other, then ten at once; the meter is measured, and nothing is lost."""
    start(period_s=1, meter_topic=PLUG, meter_path="ENERGY.Power")
    before = telemetry(hub, where=lambda each: each["power"]["package_watts"])
    assert (before["power"]["source"], before["power"]["quality"]) == ("meter", "measured")
    one, many = Conversation(hub, "one"), [Conversation(hub, f"many{number}") for number in range(2)]
    expected = 0.0
    for number in range(10):
        ask(one, f"a{number}", 40)
        frame, end = one.answered(number + 1)[-1], time.monotonic()
        expected += plug.joules(end - frame["timing_ms"]["total"] / 1000, end)  # not what is between two
    begin = time.monotonic()
    for number in range(10):
        ask(many[number % 2], f"b{number}", 40)
    for conversation in many:
        conversation.answered(5)
    expected += plug.joules(begin, time.monotonic())
    frames = [frame for conversation in (one, *many) for frame in conversation.replies()]
    assert len(frames) == 20
    energy = [frame["energy"] for frame in frames]
    assert {each["quality"] for each in energy} == {"measured"}
    assert sum(each["joules"] for each in energy) == pytest.approx(expected, rel=0.05)
    assert not any(each["shared"] for each in energy[:10])
    assert all(each["shared"] for each in energy[10:])
    for frame in frames:
        its, tokens = frame["energy"], frame["usage"]["completion_tokens"]
        assert its["prefill_joules"] + its["decode_joules"] == pytest.approx(its["joules"])
        assert its["joules_per_token"] == pytest.approx(its["joules"] / tokens)
    after = telemetry(hub, where=lambda each: each["llm"]["completion_tokens_total"] >= 20 * 40)
    total = after["power"]["energy_joules_total"] - before["power"]["energy_joules_total"]
    assert after["llm"]["energy_joules_total"] == pytest.approx(
        sum(each["joules"] for each in energy), abs=0.1
    )
    assert after["llm"]["energy_joules_total"] <= total


def test_metrics_are_openmetrics_on_loopback(hub: Hub, plug: Plug, start: Callable[..., Service]) -> None:
    port = free_port()
    start(period_s=1, meter_topic=PLUG, meter_path="ENERGY.Power", metrics_port=port)
    panel = Conversation(hub, "panel")
    ask(panel, "one", 20)
    frame = panel.answered(1)[0]
    telemetry(hub, where=lambda each: each["llm"]["completion_tokens_total"])
    telemetry(hub)
    server = HTTPConnection("127.0.0.1", port)
    server.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    response = server.getresponse()
    assert str(response.getheader("Content-Type")).startswith("application/openmetrics-text")
    text = response.read().decode()
    server.close()
    samples = {
        (sample.name, sample.labels.get("gen_ai_token_type")): (sample.value, sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    ttft_s, labels = samples["gen_ai_server_time_to_first_token_seconds_sum", None]
    assert ttft_s == pytest.approx(frame["timing_ms"]["ttft"] / 1000)
    assert labels["gen_ai_request_model"] == frame["model"]
    assert samples["gen_ai_server_request_duration_seconds_count", None][0] == 1
    assert samples["gen_ai_client_token_usage_sum", "output"][0] == 20
    assert samples["edge_llm_completion_tokens_total", None][0] == 20
    assert samples["edge_llm_power_package_watts", None][0] >= 20
    assert samples["edge_llm_memory_rss_bytes", None][0] > 10**7
    assert samples["edge_llm_power_info", None][1]["quality"] == "measured"
    assert ("edge_llm_power_dram_watts", None) not in samples


def test_what_goes_at_qos_0_is_not_waited_for(tmp_path: Path) -> None:
    """Were it counted as unacknowledged, telemetry would hold the deltas back once the broker was away."""
    broker = Broker(tmp_path)
    broker.start()
    connection = Connection(
        MqttSettings(host="127.0.0.1", port=broker.port), "node", {"x": Subscription(lambda _: None)}
    )
    connection.start()
    try:
        assert connection.wait_ready(10)
        for _ in range(3):
            for _ in range(20):
                connection.publish("t", b"-", qos=0)
            broker.kill()
            eventually(lambda: not connection.ready)
            for _ in range(20):
                connection.publish("t", b"-", qos=0)
            assert not connection.congested
            broker.start()
            eventually(lambda: connection.ready)
        connection.publish("t", b"-")
        eventually(lambda: not connection._outbox)
        eventually(lambda: not connection._outbox._qos0)
    finally:
        connection.stop()
        broker.kill()


def test_a_port_that_is_taken_is_named(broker: Broker, node: Nodes) -> None:
    service = node(wait=False, telemetry__metrics_port=broker.port)
    assert service.wait_ended() == 78
    assert f"telemetry.metrics_port {broker.port}: Address already in use" in service.log_text()
