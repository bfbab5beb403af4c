"""Shared by the commands that ask a node: options, the client, and printing a reply as it comes."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edge_llm.client import Call, Client, Delta, Done, Status, ToolCall
from edge_llm.config import load_settings
from edge_llm.contract.node import Source
from edge_llm.errors import EdgeLlmError, RequestError

_SAMPLING = ("max_tokens", "temperature", "seed")
_SOURCES = TypeAdapter(list[Source])


def add_node_options(parser: argparse.ArgumentParser, *, documents: bool = False) -> None:
    """Add the options that choose the node or pool, with ``documents`` also those, and the client id."""
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--node", metavar="ID", help="default: node.id of the configuration")
    whom.add_argument("--pool", metavar="P", help="ask any free node of this pool")
    if documents:
        text = "answer from the household's papers: ask `edge-llm documents` (documents.id)"
        whom.add_argument("--documents", action="store_true", help=text)
    parser.add_argument("--as", metavar="NAME", dest="name", help="client id (default: mqtt.username)")


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose whom to ask, and those of a request."""
    add_node_options(parser, documents=True)
    parser.add_argument("--system", metavar="TEXT", help="system prompt")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="maximum length of the reply in tokens")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 always takes the most likely token")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the sampler")


def make_client(options: argparse.Namespace, name: str | None = None) -> Client:
    """Make the client that the options choose; ``name`` is its id if options and settings have none."""
    settings = load_settings(options.config)
    node = None if options.pool else options.node or settings.node.id
    if getattr(options, "documents", False):
        node = settings.documents.id
    return Client(settings.mqtt, node, options.name or settings.mqtt.username or name, pool=options.pool)


def expect_documents(client: Client) -> None:
    """Wait until `edge-llm documents` is there.

    Raises:
        RequestError: unavailable; the text names that command.
    """
    try:
        client.wait_online()
    except RequestError as error:
        text = str(error).replace("edge-llm serve", "edge-llm documents")
        raise RequestError(error.code, text) from error


def request_fields(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a request that the options set."""
    return {"system": options.system, **{name: getattr(options, name) for name in _SAMPLING}}


def show(client: Client, prompt: str, *, quiet: bool = False, **fields: Any) -> Done:
    """Ask, and unless ``quiet`` print the reply as it comes: its text, and a line for each call.

    Raises:
        RequestError: it could not be answered.
    """
    shown = _Shown()
    for frame in client.stream(prompt, **fields):
        if isinstance(frame, Done):
            if not quiet:
                shown.end(frame)
            return frame
        if not quiet:
            shown.add(frame)
    raise AssertionError("a stream ends in done, or raises")


class _Shown:
    """Tracks what has been printed of a reply."""

    def __init__(self) -> None:
        self._text = ""
        self._calls: list[ToolCall] = []
        self._line_is_open = False

    def add(self, frame: Status | Delta | Call) -> None:
        """Print what a frame adds."""
        if isinstance(frame, Delta):
            self._text += frame.text
            print(frame.text, end="", flush=True)
            self._line_is_open = True
        elif isinstance(frame, Call):
            self._calls.append(frame.call)
            self._end_line()
            print_call(frame.call)

    def end(self, done: Done) -> None:
        """End the line; print all again if the reply had to be made again and became another one."""
        if (self._text, self._calls) != (done.text, [*(done.calls or ())]):
            self._end_line()
            print(f"(made again:)\n{done.text}")
            for call in done.calls or ():
                print_call(call)
        elif self._line_is_open or not self._calls:
            print()
        for call in (done.act and done.act.carried_out) or ():
            print_call(call)
        for line in _sources(done):
            print(line)

    def _end_line(self) -> None:
        if self._line_is_open:
            print()
        self._line_is_open = False


def _sources(done: Done) -> Iterator[str]:
    """Yield a line for each passage that an answer of `edge-llm documents` was made from."""
    custom = done.custom if isinstance(done.custom, dict) else {}
    with suppress(ValidationError):  # anybody's custom
        for source in _SOURCES.validate_python(custom.get("sources", ())):
            yield f"from: {source.line()}"


def print_call(call: ToolCall) -> None:
    """Print name, arguments and devices, as JSON: whatever stands in them, it is one line."""
    parts = (call.arguments, call.device_ids) if call.device_ids else (call.arguments,)
    print(call.name, *(json.dumps(part, ensure_ascii=False) for part in parts), flush=True)


def read_json(option: str, path: Path | None) -> Any:
    """Read the JSON file that ``option`` names; None where it names none.

    Raises:
        EdgeLlmError: it cannot be read, or holds no JSON.
    """
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise EdgeLlmError(f"{option} {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise EdgeLlmError(f"{option} {path}: not JSON") from error


def read_prompt() -> str:
    """Read a line of standard input; empty at its end."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""
