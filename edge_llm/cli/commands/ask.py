"""`edge-llm ask`: asks a node one question."""

import argparse
import sys

from edge_llm.cli.asker import add_request_options, make_client, request_fields, show


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ask``."""
    parser.add_argument("prompt", metavar="PROMPT", help="the question; - reads standard input")
    add_request_options(parser)
    parser.add_argument("--session", metavar="NAME", help="a conversation that the node remembers")
    parser.add_argument(
        "--json", action="store_true", help="print the terminal frame as JSON instead of the text"
    )


def run(options: argparse.Namespace) -> int:
    """Ask once and print the reply as it comes."""
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    with make_client(options) as client:
        fields = request_fields(options)
        done = show(client, prompt, quiet=options.json, session=options.session, **fields)
    if options.json:
        print(done.encode().decode())
    return 0
