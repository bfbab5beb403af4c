"""`edge-llm voice`: the Wyoming server, through which speech programs talk to a node."""

import argparse
from contextlib import suppress

from edge_llm.config import load_settings
from edge_llm.errors import EdgeLlmError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``voice``."""
    parser.add_argument("--node", metavar="ID", help="default: node.id of the configuration")
    parser.add_argument(
        "--documents",
        action="store_true",
        help="answer from the household's papers, too: ask `edge-llm documents` (documents.id)",
    )
    parser.add_argument("--as", metavar="NAME", dest="name", help="client id (default: mqtt.username)")
    parser.add_argument("--host", metavar="ADDRESS", help="listen on this address instead of voice.host")
    parser.add_argument("--port", metavar="PORT", type=int, help="listen on this port instead of voice.port")
    parser.add_argument("--area", metavar="AREA", help="where those who speak are, instead of voice.area")


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    try:
        from edge_llm.voice import server
    except ImportError as error:
        raise EdgeLlmError(
            f"edge-llm voice needs more ({error.name}): pip install 'edge-llm[voice]'"
        ) from error
    from edge_llm.event_log import configure_logging

    configure_logging()
    settings = load_settings(options.config)
    given = {
        name: value for name in ("host", "port", "area") if (value := getattr(options, name)) is not None
    }
    settings = settings.model_copy(update={"voice": settings.voice.model_copy(update=given)})
    with suppress(KeyboardInterrupt):  # before it listens
        node = options.node or settings.node.id
        server.serve(settings, node, options.name, documents=options.documents)
    return 0
