"""`edge-llm demo`: starts a broker and the service with a small model, asks it, and has it act."""

import argparse
import json
import sys
from typing import Any

from edge_llm import demo
from edge_llm.cli.asker import read_prompt, show
from edge_llm.cli.bundles import QUANTIZATIONS, cached_bundle
from edge_llm.client import Client
from edge_llm.config import MqttSettings
from edge_llm.contract.topics import Topics


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``demo``."""
    parser.add_argument(
        "--once", metavar="PROMPT", nargs="?", const="", help="ask this, or the default question, then exit"
    )
    parser.add_argument(
        "--model", metavar="SOURCE", default="demo", help="serve another model (see prepare --help)"
    )
    parser.add_argument("--quant", choices=QUANTIZATIONS, default="int8", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead (implies --once)")


def run(options: argparse.Namespace) -> int:
    """Ask the default question and act, then ask what is typed."""
    bundle = cached_bundle(options.model, options.quant)
    with demo.running_demo(bundle.path) as (mqtt, service), Client(mqtt, demo.NODE, "demo") as client:
        once = options.once is not None or options.json or not sys.stdin.isatty()
        if once:
            _ask(client, service, options.once or demo.PROMPT, as_json=options.json)
            if not options.once and not options.json:
                _act(client)
            return 0
        print(_shell_commands(mqtt))
        _ask(client, service, demo.PROMPT, as_json=False)
        _act(client)
        while prompt := read_prompt():
            _ask(client, service, prompt, as_json=False, typed=True)
    return 0


def _ask(client: Client, service: Any, prompt: str, *, as_json: bool, typed: bool = False) -> None:
    if not as_json and not typed:
        print(f"> {prompt}")
    done = show(client, prompt, quiet=as_json)
    result = {
        "text": done.text,
        "finish_reason": done.finish_reason,
        "ttft_ms": round(done.timing_ms.ttft, 1),
        "tokens_per_second": round(done.tokens_per_second, 1),
        "completion_tokens": done.usage.completion_tokens,
        "cached_tokens": done.usage.cached_tokens,
        "peak_rss_mb": round(demo.peak_rss_mb(service.pid), 1),
    }
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(
            "[TTFT {ttft_ms} ms, {tokens_per_second} tokens/s, {completion_tokens} tokens, "
            "peak memory {peak_rss_mb} MB]".format(**result)
        )


def _act(client: Client) -> None:
    """Say a sentence to a small house, and print the calls that it comes to."""
    print(f"> {demo.SENTENCE}")
    show(client, demo.SENTENCE, act="required", house=demo.HOUSE)


def _shell_commands(mqtt: MqttSettings) -> str:
    topics = Topics(mqtt.base_topic, demo.NODE)
    return (
        "The same from a shell:\n"
        f"  mosquitto_sub -p {mqtt.port} -t '{topics.stream('shell')}' &\n"
        f"  mosquitto_pub -p {mqtt.port} -q 1 -t '{topics.request('shell')}' -m 'Why is the sky blue?'\n"
        "An empty line or Ctrl-D ends."
    )
