"""Runs the page and the API: builds all parts, listens, and ends them in order."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from edge_llm.client import Client
from edge_llm.client.client import MARGIN_S
from edge_llm.config import Settings
from edge_llm.contract.topics import Topics
from edge_llm.errors import EdgeLlmError
from edge_llm.event_log import EventLog
from edge_llm.gateway.routes import filters_of
from edge_llm.web.app import make_app
from edge_llm.web.clients import Clients
from edge_llm.web.live.changes import Changes
from edge_llm.web.live.house import HouseView
from edge_llm.web.live.node_feed import NodeFeed
from edge_llm.web.live.stream import Live
from edge_llm.web.replies import Replies

log = EventLog(__name__)

CLIENT = "web"
"""Client id where the broker has no users; always the same, for the node's sessions belong to it."""
_HEADER_BYTES = 16384
_CONNECTIONS = 256
_KEEP_ALIVE_S = 20
_GRACE_S = 2


def serve(settings: Settings, node: str, name: str | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; ``name`` is the client id, by default the user name at the broker.

    Raises:
        ConfigError: a setting cannot be used.
        EdgeLlmError: the port is taken, or the address is none of this machine's.
    """
    changes = Changes()
    topics = Topics(settings.mqtt.base_topic, node)
    house = HouseView(settings.house, settings.mqtt, topics, filters_of(settings.routes), changes)
    papers = Topics(settings.mqtt.base_topic, settings.documents.id)
    feed = NodeFeed(settings.mqtt, topics, papers, house, changes)
    name = name or settings.mqtt.username or CLIENT
    client, documents = Client(settings.mqtt, node, name), Client(settings.mqtt, feed.documents, name)
    clients = Clients(client, documents, feed)
    live = Live(feed, house, changes)
    replies = Replies(clients, settings.sampling.timeout_s + MARGIN_S)
    app = make_app(settings.web, clients, replies, feed, live)
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    with listening(settings.web.host, settings.web.port) as listener, client, documents:
        house.start()
        feed.start()
        log.info("web.ready", host=settings.web.host, port=settings.web.port, node=node)
        try:
            _Server(config, live, replies).run(sockets=[listener])
        finally:
            feed.stop()
            house.stop()


class _Server(uvicorn.Server):
    """Ends the pages' streams and the replies first: they would be waited for."""

    def __init__(self, config: uvicorn.Config, live: Live, replies: Replies) -> None:
        super().__init__(config)
        self._live = live
        self._replies = replies

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.stop()
        self._replies.close()
        await super().shutdown(sockets)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens.

    Raises:
        EdgeLlmError: it cannot.
    """
    if not 0 < port < 2**16:
        raise EdgeLlmError(f"there is no port {port}")
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        reason = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise EdgeLlmError(
            f"cannot listen on {host} port {port}: {reason}; set web.host, web.port"
        ) from error
    with listener:
        # For each connection; asyncio sets it only where the protocol is named. Else the first word of a
        # reply waits up to 40 ms for the caller's answer to what came before.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener
