"""`edge-llm info`: what the broker holds of a node."""

import argparse
import json

from edge_llm.client.info import node_info
from edge_llm.config import load_settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``info``."""
    parser.add_argument("--node", metavar="ID", help="default: node.id of the configuration")
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds to wait for the next telemetry (default: do not wait)",
    )


def run(options: argparse.Namespace) -> int:
    """Print one JSON object: state, info and telemetry; null for what the node has not published."""
    settings = load_settings(options.config)
    print(json.dumps(node_info(settings.mqtt, options.node or settings.node.id, options.wait)))
    return 0
