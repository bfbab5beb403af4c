"""`edge-llm ask` and `edge-llm chat`: parsing and printing only."""

import argparse
import json
import signal
import sys
from typing import Any

from edge_llm.client import Client, Delta, Done, Session
from edge_llm.client.info import node_info
from edge_llm.config import load_settings
from edge_llm.errors import RequestError

_SAMPLING = ("max_tokens", "temperature", "seed")


def add_ask(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ask`."""
    parser.add_argument("prompt", metavar="PROMPT")
    _add_common(parser)
    parser.add_argument("--session", metavar="NAME", help="a conversation that the node remembers")
    parser.add_argument(
        "--json", action="store_true", help="print the terminal frame as JSON instead of the text"
    )


def add_info(parser: argparse.ArgumentParser) -> None:
    """The arguments of `info`."""
    parser.add_argument("--node", metavar="ID", help="default: node.id of the configuration")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="S", help="seconds to wait for telemetry (default: none)"
    )


def add_chat(parser: argparse.ArgumentParser) -> None:
    """The arguments of `chat`."""
    _add_common(parser)
    parser.add_argument("--session", metavar="NAME", default="chat", help="default: %(default)s")


def add_whom(parser: argparse.ArgumentParser) -> None:
    """Which node, as whom."""
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--node", metavar="ID", help="default: node.id of the configuration")
    whom.add_argument("--pool", metavar="P", help="whichever node of this pool is free")
    parser.add_argument("--as", metavar="NAME", dest="name", help="client id; default: mqtt.username")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_whom(parser)
    parser.add_argument("--system", metavar="TEXT", help="a system prompt")
    parser.add_argument("--max-tokens", type=int, metavar="N")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is greedy")
    parser.add_argument("--seed", type=int, metavar="N")


def ask(options: argparse.Namespace) -> int:
    """Ask once and print the reply as it comes."""
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    with _client(options) as client:
        done = show(client, prompt, quiet=options.json, session=options.session, **_fields(options))
    if options.json:
        print(done.encode().decode())
    return 0


def info(options: argparse.Namespace) -> int:
    """Print one JSON object: state, info and telemetry, null where the node has not published it."""
    settings = load_settings(options.config)
    print(json.dumps(node_info(settings.mqtt, options.node or settings.node.id, options.wait)))
    return 0


def state(options: argparse.Namespace) -> int:
    """Say that the node is online; an error where it is not."""
    with _client(options) as client:
        client.wait_online()
    print("online")
    return 0


def chat(options: argparse.Namespace) -> int:
    """Talk until an empty line; Ctrl-C ends the reply that is being made."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with _client(options, name="chat") as client:
        session = client.session(options.session)
        if sys.stdin.isatty():
            before = len(session.messages())
            print(f"{before} messages so far. /forget begins anew, Ctrl-C ends a reply, Ctrl-D the chat.")
        while prompt := read_prompt():
            _turn(client, session, prompt, _fields(options))
    return 0


def _turn(client: Client, session: Session, prompt: str, fields: dict[str, Any]) -> None:
    try:
        if prompt == "/forget":
            session.forget()
        else:
            show(client, prompt, session=session.name, **fields)
    except KeyboardInterrupt:
        client.cancel()
        print()
    except RequestError as error:  # the next question may fare better
        print(f"edge-llm: {error.code}: {error}", file=sys.stderr)


def _client(options: argparse.Namespace, name: str | None = None) -> Client:
    settings = load_settings(options.config)
    node = None if options.pool else options.node or settings.node.id
    return Client(settings.mqtt, node, options.name or settings.mqtt.username or name, pool=options.pool)


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    return {"system": options.system, **{name: getattr(options, name) for name in _SAMPLING}}


def show(client: Client, prompt: str, *, quiet: bool = False, **fields: Any) -> Done:
    """Ask, and unless ``quiet`` print the reply as it comes.

    Raises:
        RequestError: it could not be answered.
    """
    said = ""
    for frame in client.stream(prompt, **fields):
        if isinstance(frame, Delta) and not quiet:
            said += frame.text
            print(frame.text, end="", flush=True)
        if isinstance(frame, Done):
            if not quiet:
                print(end="\n" if said == frame.text else f"\n(made again:)\n{frame.text}\n")
            return frame
    raise AssertionError("a stream ends in done, or raises")


def read_prompt() -> str:
    """A line of standard input; empty at its end."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""
