"""The command line: parsing and printing only."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from edge_llm import __version__
from edge_llm.cli import ask, bench, check, doctor, prepare
from edge_llm.client import Client
from edge_llm.config import MqttSettings, load_settings
from edge_llm.contract.topics import Topics
from edge_llm.errors import EdgeLlmError, RequestError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 (failed), 2 (usage), 78 (configuration)."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except EdgeLlmError as error:
        code = f"{error.code}: " if isinstance(error, RequestError) else ""
        print(f"edge-llm: {code}{error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: say nothing more
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


class _Command(NamedTuple):
    """``summary`` stands in the list of all commands, ``description`` in the command's own help."""

    name: str
    run: Callable[[argparse.Namespace], int]
    summary: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None] = lambda _parser: None
    as_json: bool = False
    config: bool = True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge-llm",
        description="A smart home's own language model, over MQTT.",
        epilog="Start with `edge-llm demo`. Exit codes: 0 done, 1 failed, 2 usage, 78 configuration.",
    )
    parser.add_argument("--version", action="version", version=f"edge-llm {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for each in _COMMANDS:
        command = subparsers.add_parser(each.name, help=each.summary, description=each.description)
        command.set_defaults(run=each.run)
        each.add_options(command)
        if each.as_json:
            command.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        if each.config:
            command.add_argument(
                "--config", type=Path, metavar="F", help="YAML file; EDGE_LLM_… variables override it"
            )
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--retire", action="store_true", help="take back what this node left at the broker, and exit"
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--once", metavar="PROMPT", nargs="?", const="", help="ask this (or the default), then exit"
    )
    parser.add_argument(
        "--model", metavar="SOURCE", default="demo", help="serve another source (see prepare --help)"
    )
    parser.add_argument("--quant", choices=prepare.QUANTIZATIONS, default="int8", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead (implies --once)")


def _serve(options: argparse.Namespace) -> int:
    from edge_llm.client import retire
    from edge_llm.event_log import configure_logging
    from edge_llm.node import service

    configure_logging()
    run = retire.retire if options.retire else service.serve
    run(load_settings(options.config))
    return 0


def _schema(_options: argparse.Namespace) -> int:
    from edge_llm.contract.asyncapi import as_yaml

    print(as_yaml(), end="")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from edge_llm import demo

    bundle = prepare.cached_bundle(options.model, options.quant)
    with demo.running_demo(bundle.path) as (mqtt, service), Client(mqtt, demo.NODE, "demo") as client:
        once = options.once is not None or options.json or not sys.stdin.isatty()
        if once:
            _demo_ask(client, service, options.once or demo.PROMPT, as_json=options.json)
            return 0
        print(_demo_lines(mqtt))
        _demo_ask(client, service, demo.PROMPT, as_json=False)
        while prompt := ask.read_prompt():
            _demo_ask(client, service, prompt, as_json=False, typed=True)
    return 0


def _demo_ask(client: Client, service: Any, prompt: str, *, as_json: bool, typed: bool = False) -> None:
    from edge_llm.demo import peak_rss_mb

    if not as_json and not typed:
        print(f"> {prompt}")
    done = ask.show(client, prompt, quiet=as_json)
    result = {
        "text": done.text,
        "finish_reason": done.finish_reason,
        "ttft_ms": round(done.timing_ms.ttft, 1),
        "tokens_per_second": round(done.tokens_per_second, 1),
        "completion_tokens": done.usage.completion_tokens,
        "cached_tokens": done.usage.cached_tokens,
        "peak_rss_mb": round(peak_rss_mb(service.pid), 1),
    }
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(
            "[TTFT {ttft_ms} ms, {tokens_per_second} tokens/s, {completion_tokens} tokens, "
            "peak memory {peak_rss_mb} MB]".format(**result)
        )


def _demo_lines(mqtt: MqttSettings) -> str:
    from edge_llm.demo import NODE

    topics = Topics(mqtt.base_topic, NODE)
    return (
        "The same from a shell:\n"
        f"  mosquitto_sub -p {mqtt.port} -t '{topics.stream('shell')}' &\n"
        f"  mosquitto_pub -p {mqtt.port} -q 1 -t '{topics.request('shell')}' -m 'Why is the sky blue?'\n"
        "An empty line or Ctrl-D ends."
    )


_COMMANDS = (
    _Command(
        "serve",
        _serve,
        "run the service",
        "Serve the configured bundle until SIGTERM. The broker may be away: it is retried forever.",
        _add_serve,
    ),
    _Command(
        "demo",
        _demo,
        "try it: broker, model, service and a streamed reply",
        "Start a broker on loopback and the service with a small model, ask it, print the reply.",
        _add_demo,
        config=False,
    ),
    _Command(
        "ask",
        ask.ask,
        "ask a node one question",
        "Publish a prompt to a node and print its reply as it comes. PROMPT - reads standard input.",
        ask.add_ask,
    ),
    _Command(
        "chat",
        ask.chat,
        "talk with a node",
        "Hold a conversation, which the node remembers. /forget begins anew, an empty line or Ctrl-D ends.",
        ask.add_chat,
    ),
    _Command(
        "state",
        ask.state,
        "whether a node is online",
        "Read a node's retained state from the broker; exit code 1 unless it says online. For health checks.",
        ask.add_whom,
    ),
    _Command(
        "prepare",
        prepare.prepare,
        "make a bundle from a model",
        f"Write a model as a fused, quantized graph, and measure the loss. {prepare.SOURCES}",
        prepare.add_prepare,
        as_json=True,
    ),
    _Command(
        "verify",
        prepare.verify,
        "check a bundle's files and its quality",
        f"Check all checksums; with --against also KL divergence, top-1 and perplexity. {prepare.SOURCES}",
        prepare.add_verify,
        as_json=True,
    ),
    _Command(
        "doctor",
        doctor.doctor,
        "show what this host offers",
        "Show cores, memory, control group limits, and which cores inference takes and why; changes nothing.",
        as_json=True,
    ),
    _Command(
        "check",
        check.check,
        "check the configuration, the bundle and the broker",
        "Try what `serve` would use, without disturbing one that runs. Exit code 1 where something fails;"
        " warnings (nobody is asked who he is, no encryption, secrets that all may read) do not.",
        check.add_check,
        as_json=True,
    ),
    _Command(
        "info",
        ask.info,
        "show what a node says of itself",
        "Print a node's retained state and info, and its next telemetry where that is waited for, as JSON.",
        ask.add_info,
    ),
    _Command(
        "schema",
        _schema,
        "print the MQTT contract",
        "Print every topic and payload as AsyncAPI 3, in YAML: for code generators and validators.",
        config=False,
    ),
    _Command(
        "bench",
        bench.bench,
        "measure a bundle, the service, and other engines",
        "Measure by turns, in rounds; print medians with the least and the greatest value.",
        bench.add_bench,
        config=False,
    ),
)
