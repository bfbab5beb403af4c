"""`edge-llm serve`: runs the service, or takes back what it left at the broker."""

import argparse

from edge_llm.config import load_settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``serve``."""
    parser.add_argument(
        "--retire",
        action="store_true",
        help="remove this node's retained messages and session from the broker, and exit",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM, or retire the node."""
    from edge_llm.client import retire
    from edge_llm.event_log import configure_logging
    from edge_llm.node import service

    configure_logging()
    act = retire.retire if options.retire else service.serve
    act(load_settings(options.config))
    return 0
