"""`edge-llm demo`: starts a broker, a simulated house and the service with a small model, and talks to it."""

import argparse
import json
import sys
from time import monotonic, sleep
from typing import Any

import psutil

from edge_llm.cli.asker import read_prompt, show
from edge_llm.cli.bundles import QUANTIZATIONS, cached_bundle
from edge_llm.client import Client
from edge_llm.client.info import node_info
from edge_llm.config import MqttSettings
from edge_llm.contract.topics import Topics
from edge_llm.demo.devices import Values
from edge_llm.demo.house import SimulatedHouse
from edge_llm.demo.processes import NODE, peak_rss_mb, running_broker, running_service

_PROMPT = "Name three simple ways to save energy at home."
_SENTENCE = "Turn on the kitchen light and close the blinds."
_HOUSE_S, _LOOK_S = 30.0, 0.2
ACTING: dict[str, Any] = {
    "house__discovery": "homeassistant",
    "house__accept": "all",
    "house__act": json.dumps(["light", "switch", "cover", "lock", "climate", "fan"]),
}
"""Settings by which the service sees the simulated house, and moves it."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``demo``."""
    parser.add_argument(
        "--once", metavar="TEXT", nargs="?", const="", help="say this, or the default ones, then exit"
    )
    parser.add_argument(
        "--model", metavar="SOURCE", default="demo", help="serve another model (see prepare --help)"
    )
    parser.add_argument("--quant", choices=QUANTIZATIONS, default="int8", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead (implies --once)")


def run(options: argparse.Namespace) -> int:
    """Have the house do something, ask the default question, then say what is typed."""
    bundle = cached_bundle(options.model, options.quant)
    with (
        running_broker() as mqtt,
        SimulatedHouse(mqtt, on_change=_ignore if options.json else _print_change) as house,
        running_service(mqtt, bundle.path, ACTING) as service,
        Client(mqtt, NODE, "demo") as client,
    ):
        talk = _Talk(client, house, service)
        if options.json:
            _wait_for_house(mqtt)  # else the figures would be those of a node that still reads it
            figures = talk.figures(options.once or _PROMPT, act=bool(options.once))
            print(json.dumps(figures, ensure_ascii=False))
        elif options.once:
            talk.say(options.once)
        else:
            goes_on = options.once is None and sys.stdin.isatty()
            if goes_on:
                print(_shell_commands(mqtt))
            talk.say(_SENTENCE)
            talk.say(_PROMPT, act=False)
            while goes_on and (text := read_prompt()):
                talk.say(text, typed=True)
    return 0


class _Talk:
    """One who talks to the node, and watches the house and the service's memory."""

    def __init__(self, client: Client, house: SimulatedHouse, service: psutil.Popen) -> None:
        self._client = client
        self._house = house
        self._service = service

    def say(self, text: str, *, act: bool = True, typed: bool = False) -> None:
        """Print a text, its reply, what the house does, and figures."""
        if not typed:
            print(f"> {text}")
        # What is asked back ("unlock?") is answered in the same session.
        done = show(self._client, text, act="auto" if act else None, session="demo" if typed else None)
        self._house.wait_idle()
        print(
            f"[{done.timing_ms.total / 1000:.2f} s]"
            if done.act and not done.usage.completion_tokens
            else f"[TTFT {done.timing_ms.ttft:.1f} ms, {done.tokens_per_second:.1f} tokens/s, "
            f"{done.usage.completion_tokens} tokens, peak memory {peak_rss_mb(self._service.pid):.1f} MB]"
        )

    def figures(self, text: str, *, act: bool) -> dict[str, Any]:
        """The reply to a text, what the house has done, and figures."""
        before = self._house.states()
        done = show(self._client, text, quiet=True, act="auto" if act else None)
        self._house.wait_idle()
        changed = {name: _changed(before[name], after) for name, after in self._house.states().items()}
        return {
            "text": done.text,
            "acts": [
                call.model_dump(exclude_none=True) for call in (done.act and done.act.carried_out) or ()
            ],
            "states": {name: values for name, values in changed.items() if values},
            "finish_reason": done.finish_reason,
            "ttft_ms": round(done.timing_ms.ttft, 1),
            "total_ms": round(done.timing_ms.total, 1),
            "tokens_per_second": round(done.tokens_per_second, 1),
            "completion_tokens": done.usage.completion_tokens,
            "cached_tokens": done.usage.cached_tokens,
            "peak_rss_mb": round(peak_rss_mb(self._service.pid), 1),
        }


def _wait_for_house(mqtt: MqttSettings) -> None:
    """Wait until the node has read the house, or for as long as that can take."""
    until = monotonic() + _HOUSE_S
    while monotonic() < until:
        info = node_info(mqtt, NODE)["info"] or {}
        if (info.get("house") or {}).get("ready"):
            return
        sleep(_LOOK_S)


def _changed(before: Values, after: Values) -> Values:
    return {name: value for name, value in after.items() if value != before[name]}


def _print_change(name: str, before: Values, after: Values) -> None:
    """Print a line for each value that a device has changed."""
    for what, value in _changed(before, after).items():
        print(f"  {name}: {'' if what == 'state' else f'{what} '}{before[what]} -> {value}", flush=True)


def _ignore(_name: str, _before: Values, _after: Values) -> None:
    """Print nothing: the JSON object tells all."""


def _shell_commands(mqtt: MqttSettings) -> str:
    topics = Topics(mqtt.base_topic, NODE)
    return (
        "The same from a shell:\n"
        f"  mosquitto_sub -p {mqtt.port} -t '{topics.stream('shell')}' &\n"
        f"  mosquitto_pub -p {mqtt.port} -q 1 -t '{topics.request('shell')}' -m 'Why is the sky blue?'\n"
        f"  mosquitto_sub -p {mqtt.port} -v -t 'zigbee2mqtt/#'\n"
        "An empty line or Ctrl-D ends."
    )
