"""Measures `edge-llm web`: start, idle memory, TTFT beside that over MQTT, and 50 callers at once."""

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx
import psutil

from edge_llm.bench.setting import read_setting, setting_lines
from edge_llm.bundle import open_bundle
from edge_llm.cli.bundles import cached_bundle
from edge_llm.client import Client, Delta
from edge_llm.config import MqttSettings
from edge_llm.convert.progress import Progress
from edge_llm.demo.processes import NODE, free_port, process, running_broker, running_service
from edge_llm.errors import EdgeLlmError
from edge_llm.host.cpu import physical_cores

BARS = {"start_s": 1.5, "pss_mb": 60.0, "added_ttft_ms": 15.0}
"""What the process may take on two cores."""
CALLERS = 50
_SETTLED_S = 5.0
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Figures:
    """What was measured; times of first tokens are of the same questions, alternating."""

    start_s: float
    pss_mb: float
    ttft_mqtt_ms: float
    ttft_http_ms: float
    added_ttft_ms: float
    added_ttft_p95_ms: float
    served: int
    busy: int
    strangers: int
    pss_after_mb: float


class Page:
    """A running `edge-llm web`."""

    def __init__(self, url: str, child: psutil.Popen, start_s: float) -> None:
        """Remember how long it took from its start to its first answer."""
        self.start_s = start_s
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_S)
        self._child = child

    @property
    def pss_mb(self) -> float:
        """Proportional set size in MB (10^6 bytes), from smaps_rollup."""
        rollup = Path(f"/proc/{self._child.pid}/smaps_rollup").read_text(encoding="ascii")
        return (
            int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))) * 1024 / 1e6
        )

    def ttft_ms(self, text: str) -> float:
        """Ask by `/v1/chat/completions`, streamed; the time to the first piece of the reply."""
        body = {
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 4,
            "temperature": 0,
            "stream": True,
        }
        began, first = monotonic(), None
        with self._http.stream("POST", "/v1/chat/completions", json=body) as reply:
            for line in reply.iter_lines():
                if first is None and '"content":"' in line and '"content":""' not in line:
                    first = monotonic()
        if first is None:
            raise EdgeLlmError("the page's API sent no piece of a reply")
        return 1000 * (first - began)

    def say(self, number: int) -> httpx.Response:
        """Ask under a model's name of one's own, which the answer must have."""
        words = [{"role": "user", "content": f"Tell me about the number {number}."}]
        body = {
            "model": f"caller-{number}",
            "messages": words,
            "stream": False,
            "options": {"num_predict": 8},
        }
        return self._http.post("/api/chat", json=body)


@contextmanager
def _running(mqtt: MqttSettings) -> Iterator[Page]:
    with TemporaryDirectory(prefix="edge_llm-web-") as directory:
        port = free_port()
        config = Path(directory) / "web.yaml"
        config.write_text(
            json.dumps(
                {
                    "mqtt": {"host": mqtt.host, "port": mqtt.port, "protocol": mqtt.protocol},
                    "node": {"id": NODE},
                    "web": {"port": port},
                }
            ),
            encoding="utf-8",
        )
        began = monotonic()
        command = [sys.executable, "-m", "edge_llm.cli", "web", "--config", str(config)]
        with process(command, Path(directory) / "log") as child:
            url = f"http://127.0.0.1:{port}"
            while not _is_up(url):
                if child.poll() is not None or monotonic() > began + _TIMEOUT_S:
                    raise EdgeLlmError("edge-llm web did not start")
            yield Page(url, child, monotonic() - began)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=1).is_success
    except httpx.TransportError:
        sleep(0.01)
        return False


def _mqtt_ttft_ms(client: Client, text: str) -> float:
    began, first = monotonic(), 0.0
    for frame in client.stream(text, max_tokens=4, temperature=0):
        if isinstance(frame, Delta) and not first:
            first = monotonic()
    return 1000 * (first - began)


def _measure(bundle: Path, rounds: int, progress: Progress) -> Figures:
    with (
        running_broker() as mqtt,
        running_service(mqtt, bundle, {"mqtt__requests_per_minute": 6000}),
        Client(mqtt, NODE, "benchmark") as client,
        _running(mqtt) as page,
    ):
        client.wait_online()
        advance = progress.stage("questions", 2 * rounds, "questions")
        over_mqtt: list[float] = []
        over_http: list[float] = []
        page.ttft_ms("Warm up.")
        sleep(_SETTLED_S)
        idle = page.pss_mb
        for number in range(rounds):
            pair = [(over_mqtt, lambda text: _mqtt_ttft_ms(client, text)), (over_http, page.ttft_ms)]
            for turn, (times, ask) in enumerate(pair if number % 2 else reversed(pair)):
                # None is in the node's prefix cache: each begins with a number of its own.
                times.append(ask(f"{2 * number + turn}: Name a town at the sea."))
                advance("http" if times is over_http else "mqtt")
        with ThreadPoolExecutor(CALLERS) as pool:
            answers = dict(enumerate(pool.map(page.say, range(CALLERS))))
        added = [http - mqtt for mqtt, http in zip(over_mqtt, over_http, strict=True)]
        served = {number: reply.json()["model"] for number, reply in answers.items() if reply.is_success}
        return Figures(
            start_s=page.start_s,
            pss_mb=idle,
            ttft_mqtt_ms=median(over_mqtt),
            ttft_http_ms=median(over_http),
            added_ttft_ms=median(added),
            added_ttft_p95_ms=quantiles(added, n=20)[-1],
            served=len(served),
            busy=sum(reply.status_code == httpx.codes.SERVICE_UNAVAILABLE for reply in answers.values()),
            strangers=sum(model != f"caller-{number}" for number, model in served.items()),
            pss_after_mb=page.pss_mb,
        )


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0, 1 (failed) or 2 (usage)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__)
    parser.add_argument(
        "bundle", metavar="BUNDLE", type=Path, nargs="?", help="bundle of edge_llm (default: the demo's int8)"
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", default=40, help="questions each way (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the lines")
    options = parser.parse_args(arguments)
    try:
        bundle = open_bundle(options.bundle) if options.bundle else cached_bundle("demo", "int8")
        setting = read_setting(bundle, physical_cores(), options.rounds)
        with Progress() as progress:
            its = _measure(bundle.path, options.rounds, progress)
    except EdgeLlmError as error:
        print(f"benchmarks.web: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(setting | asdict(its) | {"bars": BARS}))
        return 0
    print(*setting_lines(setting), "", sep="\n")
    print(f"start to first answer: {its.start_s:.2f} s (bar {BARS['start_s']:g})")
    print(f"idle: {its.pss_mb:.1f} MB PSS (bar {BARS['pss_mb']:g}), {its.pss_after_mb:.1f} after the callers")
    added = (
        f"{its.added_ttft_ms:+.1f} ms p50, {its.added_ttft_p95_ms:+.1f} p95 (bar {BARS['added_ttft_ms']:g})"
    )
    print(f"TTFT: {its.ttft_mqtt_ms:.1f} ms over MQTT, {its.ttft_http_ms:.1f} over HTTP; {added}")
    print(
        f"{CALLERS} callers at once: {its.served} served, {its.busy} told busy, {its.strangers} got another's"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
