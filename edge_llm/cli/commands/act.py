"""`edge-llm act`: says a sentence to the house, and prints the calls that it comes to."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from edge_llm.cli.asker import add_node_options, make_client, read_prompt, show
from edge_llm.client import Done
from edge_llm.errors import RequestError
from edge_llm.house.sources.file import read_house

NOTHING_CAME_OF_IT = 4
"""Exit code of a sentence that came neither to a call nor to an answer."""
_ASKS_BACK = "confirm", "unclear"
_ENDS = "spoken", "done", "sent"
_NAME = "act"
"""Client id where options and settings have none: an answer must come from who was asked."""
_EXAMPLES = """\
examples:
  edge-llm act "turn everything off downstairs except the fridge light"
  edge-llm act "lights off" --area kitchen               as said in the kitchen
  edge-llm act "dim the sofa lamp" --house house.yaml    in this house, not the one that the node knows
  edge-llm act "open the garage" --session s             asks first: exit code 4
  edge-llm act yes --session s                           the answer to that
  edge-llm act "all lights off" --json | jq .calls

A line for each call: name, arguments, and the devices that it is for. What the node does not carry out itself
(house.act) is for whoever asked. On a terminal a question is answered at once; an empty line leaves it.
exit codes: 0 calls or an answer, 4 nothing: not understood, not possible, not confirmed, failed.
docs/house.md: how to describe a house.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``act``, and examples to its help."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("sentence", metavar="SENTENCE", help="what is said; - reads standard input")
    add_node_options(parser)
    parser.add_argument("--area", metavar="NAME", help="where it is said: id or name of an area of the house")
    parser.add_argument(
        "--house", type=Path, metavar="FILE", help="JSON or YAML file of the house, sent with the sentence"
    )
    parser.add_argument(
        "--required", action="store_true", help="take it as a command, whatever it is; no ordinary reply"
    )
    parser.add_argument("--session", metavar="ID", help="conversation in which a question may be answered")
    parser.add_argument(
        "--json", action="store_true", help="print the terminal frame as JSON, and ask nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Say the sentence, and on a terminal the answers to what is asked back."""
    sentence = sys.stdin.read() if options.sentence == "-" else options.sentence
    answers = sys.stdin.isatty() and not options.json
    session = options.session or (f"act-{uuid4().hex[:8]}" if answers else None)
    fields = {
        "act": "required" if options.required else "auto",
        "context_area": options.area,
        "house": read_house(options.house, "--house") if options.house else None,
        "session": session,
    }
    with make_client(options, name=_NAME) as client:
        done = show(client, sentence, quiet=options.json, **fields)
        while answers and _asks_back(done) and (answer := read_prompt()):
            done = show(client, answer, **fields)
        if session and not options.session:
            with suppress(RequestError):  # the node forgets it in time
                client.session(session).forget()
    if options.json:
        print(done.encode().decode())
    return 0 if done.calls or (done.act and done.act.outcome in _ENDS) else NOTHING_CAME_OF_IT


def _asks_back(done: Done) -> bool:
    return not done.calls and done.act is not None and done.act.outcome in _ASKS_BACK
