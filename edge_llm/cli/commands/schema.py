"""`edge-llm schema`: prints the MQTT contract."""

import argparse


def run(_options: argparse.Namespace) -> int:
    """Print AsyncAPI 3 in YAML."""
    from edge_llm.contract.asyncapi import as_yaml

    print(as_yaml(), end="")
    return 0
