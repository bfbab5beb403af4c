"""Telemetry and replies as OpenMetrics: every number of the contract, times in seconds."""

import threading
from http.client import HTTPConnection
from threading import Thread
from typing import Any, get_args

import pytest
from prometheus_client.core import Metric

from edge_llm.contract.frames import Payload, TimingMs, Usage
from edge_llm.contract.node import Telemetry
from edge_llm.demo.processes import free_port
from edge_llm.telemetry import openmetrics
from edge_llm.telemetry.openmetrics import Metrics
from edge_llm.telemetry.reply_stats import ReplyRecord
from tests.homeassistant import TELEMETRY


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """Metrics that nobody can ask for by HTTP."""
    monkeypatch.setattr(openmetrics, "start_http_server", lambda *_, **__: (None, Thread()))
    return Metrics(9464, "SmolLM2")


def kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    parts = get_args(annotation)
    return set().union(*map(kinds, parts)) if parts else {annotation}


def families(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in metrics.collect()}


def test_every_number_of_the_telemetry_is_covered(metrics: Metrics) -> None:
    """A new field of the contract is here without a further line."""
    metrics.emit(Telemetry.model_validate(TELEMETRY), ())
    found = families(metrics)
    expected = {}
    for section, field in Telemetry.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Payload):
            for name, figure in field.annotation.model_fields.items():
                if {int, float} & kinds(figure.annotation):
                    prefix = "edge_llm_" if section == "llm" else f"edge_llm_{section}_"
                    expected[(prefix + name).removesuffix("_total")] = TELEMETRY[section][name]
    assert len(expected) == 34
    assert found.keys() == {*expected, "edge_llm_power"}
    for name, value in expected.items():
        values = [sample.value for sample in found[name].samples]
        assert values == (value if isinstance(value, list) else [value]), name
    assert found["edge_llm_requests"].type == "counter"
    assert found["edge_llm_cpu_percent"].type == "gauge"


def test_a_null_has_no_metric_and_power_says_why(metrics: Metrics) -> None:
    power = dict.fromkeys(TELEMETRY["power"]) | {
        "quality": "none",
        "service_quality": "none",
        "reason": "no sensor",
    }
    metrics.emit(Telemetry.model_validate({**TELEMETRY, "power": power}), ())
    found = families(metrics)
    assert [name for name in found if name.startswith("edge_llm_power")] == ["edge_llm_power"]
    labels = found["edge_llm_power"].samples[0].labels
    assert labels == {"source": "", "quality": "none", "reason": "no sensor"}


def test_before_the_first_telemetry_there_is_nothing(metrics: Metrics) -> None:
    assert families(metrics) == {}


def test_times_of_replies_are_in_seconds_under_the_models_name(metrics: Metrics) -> None:
    usage = Usage(prompt_tokens=30, cached_tokens=20, completion_tokens=11)
    reply = ReplyRecord(usage, TimingMs(queue=0, prefill=40, ttft=250, total=2250))
    empty = ReplyRecord(usage.model_copy(update={"completion_tokens": 0}), reply.timing_ms)
    metrics.emit(Telemetry.model_validate(TELEMETRY), (reply, empty, ReplyRecord(error="timeout")))
    sums = {}
    for histogram in (metrics._ttft, metrics._duration, metrics._tpot, metrics._usage):
        for sample in next(iter(histogram.collect())).samples:
            assert sample.labels["gen_ai_request_model"] == "SmolLM2"
            if sample.name.endswith("_sum"):
                sums[sample.name, sample.labels.get("gen_ai_token_type")] = sample.value
    assert sums == {
        ("gen_ai_server_time_to_first_token_seconds_sum", None): 0.25,
        ("gen_ai_server_request_duration_seconds_sum", None): 2.25,
        ("gen_ai_server_time_per_output_token_seconds_sum", None): 0.2,
        ("gen_ai_client_token_usage_sum", "input"): 30,
        ("gen_ai_client_token_usage_sum", "output"): 11,
    }


def test_they_are_served_until_they_are_closed() -> None:
    port = free_port()
    metrics = Metrics(port, "SmolLM2")
    metrics.emit(Telemetry.model_validate(TELEMETRY), ())
    client = HTTPConnection("127.0.0.1", port)
    client.request("GET", "/metrics")
    assert b"edge_llm_power_package_watts 12.5" in client.getresponse().read()
    client.close()
    metrics.close()
    assert "metrics" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(ConnectionRefusedError):
        HTTPConnection("127.0.0.1", port).connect()
