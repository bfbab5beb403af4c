"""`edge-llm state`: whether a node is online."""

import argparse

from edge_llm.cli.asker import add_node_options, make_client


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``state``."""
    add_node_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print that the node is online; an error if it is not."""
    with make_client(options) as client:
        client.wait_online()
    print("online")
    return 0
