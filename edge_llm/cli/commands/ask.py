"""`edge-llm ask`: asks a node one question."""

import argparse
import sys
from pathlib import Path

from edge_llm.cli.asker import (
    add_request_options,
    expect_documents,
    make_client,
    read_json,
    request_fields,
    show,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ask``."""
    parser.add_argument("prompt", metavar="PROMPT", help="the question; - reads standard input")
    add_request_options(parser)
    parser.add_argument("--session", metavar="NAME", help="a conversation that the node remembers")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--tools", type=Path, metavar="FILE", help="JSON list of tools that may be called, in OpenAI's form"
    )
    form.add_argument(
        "--schema", type=Path, metavar="FILE", help="JSON schema that the reply, itself JSON, keeps to"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the terminal frame as JSON instead of the text"
    )


def run(options: argparse.Namespace) -> int:
    """Ask once and print the reply as it comes."""
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    fields = request_fields(options)
    fields["tools"] = read_json("--tools", options.tools)
    fields["schema"] = read_json("--schema", options.schema)
    with make_client(options) as client:
        if options.documents:
            expect_documents(client)
        done = show(client, prompt, quiet=options.json, session=options.session, **fields)
    if options.json:
        print(done.encode().decode())
    return 0
