"""`edge-llm web`: the page and the API for browsers, OpenAI's and Ollama's clients."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edge_llm.config import HouseSettings, Settings, load_settings
from edge_llm.errors import EdgeLlmError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``web``."""
    parser.add_argument("--node", metavar="ID", help="default: node.id of the configuration")
    parser.add_argument("--as", metavar="NAME", dest="name", help="client id (default: mqtt.username)")
    parser.add_argument("--host", metavar="ADDRESS", help="listen on this address instead of web.host")
    parser.add_argument("--port", metavar="PORT", type=int, help="listen on this port instead of web.port")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="start a broker, a simulated house and a node with a small model, too",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    try:
        from edge_llm.web import server
    except ImportError as error:
        raise EdgeLlmError(f"edge-llm web needs more ({error.name}): pip install 'edge-llm[web]'") from error
    from edge_llm.event_log import configure_logging

    configure_logging()
    settings = _settings(options)
    settings.web.token()  # before a demo is started
    with suppress(KeyboardInterrupt), _demo(settings) if options.demo else _as_is(settings) as used:
        print(f"http://{settings.web.host}:{settings.web.port}", flush=True)
        server.serve(used, options.node or used.node.id, options.name)
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    settings = load_settings(options.config)
    given = {name: value for name in ("host", "port") if (value := getattr(options, name)) is not None}
    return settings.model_copy(update={"web": settings.web.model_copy(update=given)})


@contextmanager
def _as_is(settings: Settings) -> Iterator[Settings]:
    yield settings


@contextmanager
def _demo(settings: Settings) -> Iterator[Settings]:
    """Start all that there is to talk to; yields the settings of it."""
    import json

    from edge_llm.cli.bundles import cached_bundle
    from edge_llm.cli.commands.demo import ACTING
    from edge_llm.demo.house import SimulatedHouse
    from edge_llm.demo.processes import NODE, running_broker, running_service

    bundle = cached_bundle("demo", "int8")
    house = HouseSettings(
        discovery=ACTING["house__discovery"],
        accept=ACTING["house__accept"],
        act=json.loads(ACTING["house__act"]),
    )
    with running_broker() as mqtt, SimulatedHouse(mqtt), running_service(mqtt, bundle.path, ACTING):
        node = settings.node.model_copy(update={"id": NODE})
        yield settings.model_copy(update={"mqtt": mqtt, "house": house, "node": node})
