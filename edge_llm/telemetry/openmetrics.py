"""Serves telemetry as OpenMetrics text on a loopback port; needs the extra ``metrics``.

Histograms of replies have the names and buckets of OpenTelemetry's conventions for generative AI
(https://github.com/open-telemetry/semantic-conventions-genai), in seconds. A figure of the telemetry is
named ``edge_llm_`` and its path in the MQTT contract.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from edge_llm.contract.frames import Payload
from edge_llm.contract.node import Telemetry
from edge_llm.errors import ConfigError
from edge_llm.telemetry.reply_stats import ReplyRecord

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
    """A sink that keeps the last telemetry for whoever asks by HTTP."""

    def __init__(self, port: int, model: str) -> None:
        """Listen on ``port`` of loopback; ``model`` is the bundle's name.

        Raises:
            ConfigError: the port is taken.
        """
        self._labels = {
            "gen_ai_operation_name": "chat",
            "gen_ai_provider_name": "edge_llm",
            "gen_ai_request_model": model,
        }
        self._telemetry: Telemetry | None = None
        registry = CollectorRegistry()
        registry.register(self)

        def histogram(name: str, buckets: tuple[float, ...], *own: str) -> Histogram:
            return Histogram(name, _HELP[name], (*self._labels, *own), buckets=buckets, registry=registry)

        self._ttft = histogram("gen_ai_server_time_to_first_token_seconds", _TTFT_S)
        self._tpot = histogram("gen_ai_server_time_per_output_token_seconds", _TPOT_S)
        self._duration = histogram("gen_ai_server_request_duration_seconds", _DURATION_S)
        self._usage = histogram("gen_ai_client_token_usage", _TOKENS, "gen_ai_token_type")
        try:
            self._server, self._thread = start_http_server(port, addr="127.0.0.1", registry=registry)
        except OSError as error:
            raise ConfigError(f"telemetry.metrics_port {port}: {error.strerror}") from error
        self._thread.name = "metrics"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def emit(self, telemetry: Telemetry, replies: tuple[ReplyRecord, ...]) -> None:
        """See ``collector.Sink``."""
        self._telemetry = telemetry
        for reply in replies:
            if reply.usage.completion_tokens:
                self._observe(reply)

    def _observe(self, reply: ReplyRecord) -> None:
        labels, usage = self._labels, reply.usage
        self._ttft.labels(**labels).observe(reply.timing_ms.ttft / 1000)
        self._duration.labels(**labels).observe(reply.timing_ms.total / 1000)
        self._usage.labels(**labels, gen_ai_token_type="input").observe(usage.prompt_tokens)  # noqa: S106 - no secret
        self._usage.labels(**labels, gen_ai_token_type="output").observe(usage.completion_tokens)  # noqa: S106 - no secret
        if usage.decode_steps:
            self._tpot.labels(**labels).observe(reply.decode_s / usage.decode_steps)

    def collect(self) -> Iterator[Metric]:
        """Every number of the last telemetry's sections, and the origin of power; nulls are left out."""
        telemetry = self._telemetry
        if telemetry is None:
            return
        for section, values in telemetry:
            if isinstance(values, Payload):
                prefix = "edge_llm_" if section == "llm" else f"edge_llm_{section}_"
                for field, value in values:
                    if isinstance(value, int | float | tuple):
                        yield _family(prefix + field, value)
        power = telemetry.power
        words = {"source": power.source, "quality": power.quality, "reason": power.reason}
        yield InfoMetricFamily(
            "edge_llm_power", "Where power is read", {name: word or "" for name, word in words.items()}
        )


def _family(name: str, value: float | tuple[float, ...]) -> Metric:
    if not isinstance(value, tuple):
        family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        return family(name, name, value)
    by_cpu = GaugeMetricFamily(name, name, labels=["cpu"])
    for number, each in enumerate(value):
        by_cpu.add_metric([str(number)], each)
    return by_cpu
