"""Runs the Wyoming server: builds all parts, listens, and ends them in order."""

import asyncio
import errno
import signal
from contextlib import suppress
from ipaddress import ip_address

from wyoming.error import Error

from edge_llm.client import Client
from edge_llm.config import Settings, VoiceSettings
from edge_llm.contract.topics import Topics
from edge_llm.errors import EdgeLlmError
from edge_llm.event_log import EventLog, RateLimitedLog, stack_of
from edge_llm.voice.announcement import Announcement
from edge_llm.voice.answering import Answering
from edge_llm.voice.asking import Asker
from edge_llm.voice.connection import Connection
from edge_llm.voice.node_view import NodeView
from edge_llm.voice.program import describe
from edge_llm.voice.wire import MAX_LINE, WireError, write_event

log = EventLog(__name__)

CLIENT = "voice"
"""Client id where the broker has no users; always the same, for the node's sessions belong to it."""
MOST_CONNECTIONS = 32
_REPLY_S = 30.0
"""Seconds that somebody waits for an answer who has said something aloud."""


def serve(settings: Settings, node: str, name: str | None = None, *, documents: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C; ``name`` is the client id, by default the user name at the broker.

    With ``documents`` the papers' service before ``node`` is asked.

    Raises:
        ConfigError: a setting cannot be used.
        EdgeLlmError: the port is taken, or the address is none of this machine's.
    """
    view = NodeView(settings.mqtt, Topics(settings.mqtt.base_topic, node))
    asked = settings.documents.id if documents else node
    with Client(settings.mqtt, asked, name or settings.mqtt.username or CLIENT) as client:
        view.start()
        try:
            asyncio.run(_serve(settings.voice, node, view, client))
        finally:
            view.stop()


async def _serve(settings: VoiceSettings, node: str, view: NodeView, client: Client) -> None:
    answering = Answering(Asker(client, _REPLY_S), view, settings.area, settings.max_tokens)
    server = Server(answering, view)
    listener = await _listen(server, settings.host, settings.port)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(f"tcp://{host}:{settings.port}", flush=True)
    log.info("voice.ready", host=settings.host, port=settings.port, node=node)
    announcement = None
    if not _is_loopback(settings.host):  # on loopback nobody else could reach it
        announcement = Announcement(node, settings.host, settings.port)
        await announcement.start()
    try:
        await stopping.wait()
    finally:
        listener.close()
        if announcement:
            await announcement.stop()
        await server.stop()


class Server:
    """All connections of callers; belongs to one event loop."""

    def __init__(self, answering: Answering, node: NodeView) -> None:
        """Have callers answered by ``answering``."""
        self._answering = answering
        self._node = node
        self._callers: set[asyncio.Task[None]] = set()
        self._log = RateLimitedLog(log)

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a caller to the end; one too many is told so."""
        task = asyncio.current_task()
        assert task
        self._callers.add(task)
        try:
            if len(self._callers) > MOST_CONNECTIONS:
                self._log.info("voice.refused", reason="too many connections")
                await write_event(writer, Error("too many connections", "busy").event())
            else:
                await self._converse(reader, writer)
        except OSError:  # it has gone
            pass
        except asyncio.CancelledError:  # the server ends; asyncio 3.11 logs a cancelled callback as an error
            pass
        finally:
            self._callers.discard(task)
            writer.close()

    async def stop(self) -> None:
        """End all connections; replies in progress are cancelled."""
        for task in self._callers:
            task.cancel()
        if self._callers:
            await asyncio.wait(self._callers, timeout=2)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self._answering, lambda: describe(self._node), reader, writer)
        try:
            await connection.run()
        except WireError as error:
            self._log.info("voice.refused", reason=str(error))
            await write_event(writer, Error(str(error), "bad_request").event())
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - one caller is not to end the others
            log.error("voice.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - a message may quote what was said


async def _listen(server: Server, host: str, port: int) -> asyncio.Server:
    """A listening server.

    Raises:
        EdgeLlmError: it cannot.
    """
    if not 0 < port < 2**16:
        raise EdgeLlmError(f"there is no port {port}")
    try:
        return await asyncio.start_server(server.attend, host, port, limit=MAX_LINE, backlog=64)
    except OSError as error:
        reason = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise EdgeLlmError(
            f"cannot listen on {host} port {port}: {reason}; set voice.host, voice.port"
        ) from error


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
