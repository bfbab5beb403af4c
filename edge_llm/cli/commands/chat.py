"""`edge-llm chat`: a conversation with a node."""

import argparse
import signal
import sys
from typing import Any

from edge_llm.cli.asker import (
    add_request_options,
    expect_documents,
    make_client,
    read_prompt,
    request_fields,
    show,
)
from edge_llm.client import Client, Session
from edge_llm.errors import RequestError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``chat``."""
    add_request_options(parser)
    parser.add_argument(
        "--session",
        metavar="NAME",
        default="chat",
        help="name of the conversation, which is continued if it exists (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Talk until an empty line; Ctrl-C ends the reply in progress."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with make_client(options, name="chat") as client:
        if options.documents:
            expect_documents(client)
        session = client.session(options.session)
        if sys.stdin.isatty():
            before = len(session.messages())
            print(f"{before} messages so far. /forget begins anew, Ctrl-C ends a reply, Ctrl-D the chat.")
        while prompt := read_prompt():
            _turn(client, session, prompt, request_fields(options))
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
    except RequestError as error:  # the next question may succeed
        print(f"edge-llm: {error.code}: {error}", file=sys.stderr)
