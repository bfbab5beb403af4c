"""Snapshots as OpenMetrics text on a loopback port; needs the extra ``metrics``.

What OpenTelemetry's conventions for generative AI name has their names and buckets
(https://github.com/open-telemetry/semantic-conventions-genai); the rest is ``edge_llm_`` and the
path of the field in the MQTT contract.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from edge_llm.errors import ConfigError
from edge_llm.telemetry.collector import Snapshot
from edge_llm.telemetry.reply_stats import ReplyRecord

_PREFIXES = {
    "cpu": "edge_llm_cpu_",
    "memory": "edge_llm_memory_",
    "pressure": "edge_llm_pressure_",
    "power": "edge_llm_power_",
    "llm": "edge_llm_",
}
_LABELS = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "edge_llm"}
_TTFT_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TPOT_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_DURATION_S = tuple(0.01 * 2**step for step in range(14))
_HELP = {
    "gen_ai_server_time_to_first_token_seconds": "From a request's arrival to its first token.",
    "gen_ai_server_time_per_output_token_seconds": "Mean of a reply, after its first token.",
    "gen_ai_server_request_duration_seconds": "From a request's arrival to its last token.",
    "gen_ai_client_token_usage": "Tokens of a prompt and of a reply.",
}
_TOKENS = tuple(float(4**step) for step in range(14))


class Metrics(Collector):
    """A sink that keeps the last snapshot for whoever asks by HTTP."""

    def __init__(self, port: int) -> None:
        """Listen on ``port`` of loopback.

        Raises:
            ConfigError: the port is taken.
        """
        self.model = ""
        self._snapshot: Snapshot | None = None
        registry = CollectorRegistry()
        registry.register(self)
        self._ttft = _histogram(registry, "gen_ai_server_time_to_first_token_seconds", _TTFT_S)
        self._tpot = _histogram(registry, "gen_ai_server_time_per_output_token_seconds", _TPOT_S)
        self._duration = _histogram(registry, "gen_ai_server_request_duration_seconds", _DURATION_S)
        self._usage = _histogram(registry, "gen_ai_client_token_usage", _TOKENS, "gen_ai_token_type")
        try:
            self._server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
        except OSError as error:
            raise ConfigError(f"telemetry.metrics_port {port}: {error.strerror}") from error
        thread.name = "metrics"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def emit(self, snapshot: Snapshot) -> None:
        """See ``telemetry.Sink``."""
        self._snapshot = snapshot
        for reply in snapshot.finished:
            if reply.completion_tokens:
                self._observe(reply)

    def _observe(self, reply: ReplyRecord) -> None:
        labels = {**_LABELS, "gen_ai_request_model": self.model}
        self._ttft.labels(**labels).observe(reply.ttft_s)
        self._duration.labels(**labels).observe(reply.total_s)
        self._usage.labels(**labels, gen_ai_token_type="input").observe(reply.prompt_tokens)  # noqa: S106 - no secret
        self._usage.labels(**labels, gen_ai_token_type="output").observe(reply.completion_tokens)  # noqa: S106
        if reply.completion_tokens > 1:
            self._tpot.labels(**labels).observe(reply.decode_s / (reply.completion_tokens - 1))

    def collect(self) -> Iterator[Metric]:
        """The last snapshot's numbers; what it does not know is left out."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        for section, prefix in _PREFIXES.items():
            values = getattr(snapshot, section)
            for field in fields(values):
                value = getattr(values, field.name)
                if isinstance(value, int | float | tuple):
                    yield _family(prefix + field.name, value)
        power = snapshot.power
        words = {"source": power.source, "quality": power.quality, "reason": power.reason}
        yield InfoMetricFamily(
            "edge_llm_power", "Where power is read", {name: word or "" for name, word in words.items()}
        )


def _histogram(registry: CollectorRegistry, name: str, buckets: tuple[float, ...], *own: str) -> Histogram:
    labels = (*_LABELS, "gen_ai_request_model", *own)
    return Histogram(name, _HELP[name], labels, buckets=buckets, registry=registry)


def _family(name: str, value: Any) -> Metric:
    if name.endswith("_total"):
        return CounterMetricFamily(name, name, value)
    if not isinstance(value, tuple):
        return GaugeMetricFamily(name, name, value)
    family = GaugeMetricFamily(name, name, labels=["cpu"])
    for number, each in enumerate(value):
        family.add_metric([str(number)], each)
    return family
