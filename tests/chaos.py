"""Kills, restarts and cuts everything while clients ask, and counts what became of each request.

A program of its own (`scripts/chaos`); `tests/long/test_chaos.py` runs a short version.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_llm.bundle import Bundle, open_bundle
from edge_llm.cli.bundles import cached_bundle
from edge_llm.contract.topics import Topics
from edge_llm.demo.processes import broker_command, free_port
from tests.common import TOPICS
from tests.processes import Service
from tests.proxy import Proxy

PERSISTENT = "\npersistence true\npersistence_location {directory}/\nautosave_interval 1\n"


class Broker:
    """A mosquitto that keeps its sessions over a restart; ``packet_bytes`` is its largest packet, 0: any.

    ``settings`` are more lines of its configuration.
    """

    def __init__(self, directory: Path, packet_bytes: int = 0, settings: str = "") -> None:
        self.port = free_port()
        self._command, _ = broker_command(self.port, directory)
        config = Path(self._command[-1])
        text = config.read_text().replace("persistence false\n", "")
        limit = f"max_packet_size {packet_bytes}\n" if packet_bytes else ""
        config.write_text(text + PERSISTENT.format(directory=directory) + "user root\n" + limit + settings)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """By SIGTERM, at which mosquitto writes everything down; kill -9 would lose its last second."""
        self.process.terminate()
        self.process.wait()


@dataclass
class Asker:
    """A client with a persistent session; sends what is retryable again, under the same id."""

    name: str
    port: int
    version: str
    topics: Topics = TOPICS
    terminals: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    payloads: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        five = self.version == "5"
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.name,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if five else False,
        )
        self._subscribed = Event()
        self._due: list[tuple[float, str]] = []
        self._lock = Lock()
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        options: dict[str, Any] = {}
        if five:
            options["clean_start"] = False
            options["properties"] = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
            options["properties"].SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", self.port, **options)
        self._client.loop_start()
        assert self._subscribed.wait(10)
        self._retrying = Thread(target=self._retry, daemon=True)
        self._retrying.start()

    def _on_connect(self, *_: Any) -> None:
        self._client.subscribe(self.topics.reply(self.name), 1)

    def ask(self, payload: bytes, request_id: str) -> None:
        self.payloads[request_id] = payload
        self._client.publish(self.topics.request(self.name), payload, qos=1)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        frame = json.loads(message.payload)
        if frame["type"] == "error" and frame["retryable"] and frame["id"] in self.payloads:
            with self._lock:
                self._due.append((time.monotonic() + frame.get("retry_after_ms", 1000) / 1000, frame["id"]))
        else:
            self.terminals.setdefault(frame["id"], []).append(frame)

    def _retry(self) -> None:
        while True:
            time.sleep(0.1)
            now = time.monotonic()
            with self._lock:
                due = [each for each in self._due if each[0] <= now]
                self._due = [each for each in self._due if each[0] > now]
            for _, request_id in due:
                self._client.publish(self.topics.request(self.name), self.payloads[request_id], qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # paho leaves them to the garbage collector


def run(
    bundle: Bundle,
    directory: Path,
    *,
    requests: int,
    clients: int,
    kills: int,
    broker_restarts: int,
    cuts: int,
    tears: int = 0,
    packet_bytes: int = 0,
    protocol: str = "auto",
    seed: int = 0,
    say: Callable[[str], None] = lambda _text: None,
) -> dict[str, int]:
    """Counts of what happened; see ``check`` for what must hold."""
    rng = random.Random(seed)
    with ExitStack() as stack:
        broker = Broker(directory, packet_bytes)
        stack.callback(broker.kill)
        time.sleep(0.5)
        proxy = Proxy(broker.port)
        service = Service(
            proxy.port,
            bundle,
            directory / "service.log",
            sessions__file=directory / "state.db",
            mqtt__requests_per_minute=600,
            mqtt__protocol=protocol,
        )
        stack.callback(service.stop, signal.SIGKILL)
        service.wait_for("mqtt.connected")
        askers = [Asker(f"c{n}", broker.port, "5" if n % 2 else "3.1.1") for n in range(clients)]
        plain = Asker("plain", broker.port, "3.1.1")
        late = Asker("late", broker.port, "3.1.1")
        for asker in (*askers, plain, late):
            stack.callback(asker.close)
        blows = ["kill"] * kills + ["broker"] * broker_restarts + ["cut"] * cuts + ["tear"] * tears
        rng.shuffle(blows)
        every = max(1, requests // (len(blows) + 1))
        plain_sent = large_sent = 0
        for number in range(requests):
            asker = askers[number % clients]
            fields: dict[str, Any] = {
                "id": f"r{number}",
                "text": f"Say {number}.",
                "max_tokens": 6,
                "ttl_s": 3600,
            }
            if number % 5 == 0:
                fields["session"] = "s"
            if (
                packet_bytes and number % 10 == 7
            ):  # comes back in every frame, and is too much for the terminal
                fields["custom"] = "x" * (packet_bytes * 6 // 10)
                large_sent += 1
            asker.ask(json.dumps(fields).encode(), fields["id"])
            if number % 20 == 10:
                plain.ask(b"What is the capital of France?", f"plain{number}")  # a short answer
                plain_sent += 1
            time.sleep(rng.uniform(0, 0.1))
            if number % every == every - 1 and blows:
                blow = blows.pop()
                say(f"{number + 1}/{requests} requests sent; {blow}")
                _strike(blow, broker, proxy, service, late, rng)
        expected = {(asker.name, request_id) for asker in (*askers, late) for request_id in asker.payloads}

        def missing() -> set[tuple[str, str]]:
            answered = {(a.name, request_id) for a in (*askers, late) for request_id in a.terminals}
            return expected - answered

        until = time.monotonic() + 180
        while (missing() or len(plain.terminals) < plain_sent) and time.monotonic() < until:
            time.sleep(0.2)
        time.sleep(1)  # for what should not come
        plain_done = sum(frames[0]["type"] == "done" for frames in plain.terminals.values())
        counts = _count((*askers, late), plain)
        return counts | {
            "sent": len(expected) + plain_sent,
            "unanswered": len(missing()) + max(0, plain_sent - len(plain.terminals)),
            "large_answered_otherwise": abs(large_sent - counts.get("too_large", 0)),
            "plain_sent": plain_sent,
            "plain_doubled": max(0, plain_done - plain_sent),
            "late_sent": len(late.payloads),
            "late_done": sum(f["type"] == "done" for frames in late.terminals.values() for f in frames),
        }


def _strike(
    blow: str, broker: Broker, proxy: Proxy, service: Service, late: Asker, rng: random.Random
) -> None:
    if blow == "kill":
        service.stop(rng.choice((signal.SIGKILL, signal.SIGTERM)))
        # Published while nobody is there, and too old when somebody is.
        request_id = f"late{len(late.payloads)}"
        late.ask(json.dumps({"id": request_id, "text": "Say late.", "ttl_s": 1.0}).encode(), request_id)
        time.sleep(rng.uniform(1.5, 3))
        service.start()
    elif blow == "tear":
        proxy.tears = [rng.randint(1, 3000)]
        time.sleep(rng.uniform(1, 3))
        proxy.tears = []
    elif blow == "broker":
        broker.stop()
        time.sleep(rng.uniform(0.2, 1.5))
        broker.start()
    else:
        proxy.delay_s = 0.2
        time.sleep(1)
        proxy.cut = True
        time.sleep(rng.uniform(0.5, 2))
        proxy.cut, proxy.delay_s = False, 0.0


def _count(askers: tuple[Asker, ...], plain: Asker) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    conflicting = 0
    for asker in (*askers, plain):
        for frames in asker.terminals.values():
            results = {(frame["type"], frame["text"]) for frame in frames}
            conflicting += len(results) > 1
            kinds[frames[0].get("code", frames[0]["type"])] += 1
            kinds["replayed"] += any(frame.get("replayed") for frame in frames)
    return {"conflicting": conflicting, **kinds}


def check(counts: dict[str, int]) -> list[str]:
    """What must not be, and is."""
    wrong = ["unanswered", "conflicting", "plain_doubled", "late_done", "id_conflict", "internal"]
    wrong.append("large_answered_otherwise")
    return [f"{name}: {counts[name]}" for name in wrong if counts.get(name)]


def main() -> int:
    """Run it with the numbers of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a bundle's directory; default: the demo model's")
    for name, default in (
        ("requests", 200),
        ("clients", 8),
        ("kills", 5),
        ("broker-restarts", 3),
        ("cuts", 3),
        ("tears", 3),
        ("packet-bytes", 1000),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the counts as one JSON object")
    options = vars(parser.parse_args())
    path, as_json = options.pop("bundle"), options.pop("json")
    bundle = open_bundle(path) if path else cached_bundle("demo", "int8")
    directory = Path(tempfile.mkdtemp(prefix="edge_llm-chaos-"))
    counts = run(bundle, directory, **options, say=lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(counts) if as_json else "  ".join(f"{name} {n}" for name, n in counts.items()))
    wrong = check(counts)
    if wrong:
        print(f"chaos: {', '.join(wrong)}; see {directory}/service.log", file=sys.stderr)
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
