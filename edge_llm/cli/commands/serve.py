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
    from edge_llm.event_log import configure_logging

    configure_logging()
    settings = load_settings(options.config)
    if options.retire:
        from edge_llm.client.retire import retire

        retire(settings)
    else:
        from edge_llm.node.process import serve

        serve(settings)
    return 0
