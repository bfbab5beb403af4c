"""The composition root of `edge-llm documents`: builds the parts, wires them, starts and stops them."""

import faulthandler
import signal
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from edge_llm import __version__
from edge_llm.client import Client
from edge_llm.config import Settings
from edge_llm.contract.node import DocumentsInfo, Papers, RequestLimits
from edge_llm.contract.topics import OFFLINE, ONLINE, Topics
from edge_llm.documents.folder import THREAD, Folder
from edge_llm.documents.index import Index
from edge_llm.documents.passage import Found
from edge_llm.documents.prompt import Prompt
from edge_llm.documents.responder import AT_ONCE, WAITING, Responder
from edge_llm.documents.words import words_of
from edge_llm.errors import ConfigError, EdgeLlmError
from edge_llm.event_log import EventLog
from edge_llm.gateway.decision import Admission
from edge_llm.gateway.gateway import COMMANDS, Gateway
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.publisher import Publisher
from edge_llm.gateway.request_log import RequestLog
from edge_llm.gateway.routes import Routes
from edge_llm.host import systemd
from edge_llm.host.signals import abort, end_at_signals, run_until_signal
from edge_llm.host.thread_watch import ThreadWatch
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.subscriptions import DurableSession, Subscription
from edge_llm.state.database import StateDatabase

if TYPE_CHECKING:
    from edge_llm.documents.search.vectors import Meaning

log = EventLog(__name__)

_CAPACITY = AT_ONCE + WAITING
_INDEX = "documents.sqlite"
_RANKED = 8
"""Passages that are told apart by how well they fit."""


def serve(settings: Settings, node: str | None = None) -> None:
    """Answer until SIGTERM, SIGINT or SIGHUP (but under nohup); ``node`` is asked instead of the settings'.

    Raises:
        EdgeLlmError: the configuration cannot be used; nothing was started.
    """
    asked, _ = asked_of(settings, node), folder_of(settings)  # before anything is started
    faulthandler.enable()
    signal.signal(signal.SIGABRT, abort)
    end_at_signals()
    watch = ThreadWatch()
    watch.start()
    service = Service(settings, asked)

    def look() -> None:
        watch.look()
        service.look()

    run_until_signal(watch, service.start, look, service.stop)


def asked_of(settings: Settings, node: str | None = None) -> Topics:
    """The topics of who answers: ``node``, else the settings' pool or node.

    Raises:
        ConfigError: that is the service itself.
    """
    mqtt, own = settings.mqtt, settings.documents.id
    if node == own:
        raise ConfigError(f"node {own} is this service itself: name the node that answers by --node")
    return Topics(mqtt.base_topic, node or settings.node.id, None if node else mqtt.pool)


def folder_of(settings: Settings) -> Path:
    """The folder of the papers.

    Raises:
        ConfigError: none is set, or it is no directory.
    """
    folder = settings.documents.folder
    if folder is None:
        raise ConfigError("there is no folder of papers: give --folder DIR, or set documents.folder")
    if not folder.is_dir():
        raise ConfigError(f"documents.folder {folder}: no such directory")
    return folder


def index_file(settings: Settings) -> Path | None:
    """The file of the index; None where it is kept in memory."""
    directory = systemd.state_directory()
    return settings.documents.file or (directory / _INDEX if directory else None)


def meaning_of(settings: Settings) -> "Meaning | None":
    """What ranks passages by their meaning; None without a model for that.

    Raises:
        ConfigError: the model cannot be used.
    """
    directory = settings.documents.embeddings
    if directory is None:
        return None
    from edge_llm.documents.embeddings import Embedder  # noqa: PLC0415 - numpy and ONNX Runtime: 40 MB
    from edge_llm.documents.search.vectors import Meaning  # noqa: PLC0415

    return Meaning(Embedder(directory))


class Service:
    """The parts, wired."""

    def __init__(self, settings: Settings, asked: Topics) -> None:
        """Build them; the node of ``asked``, or its pool, answers.

        Raises:
            EdgeLlmError: the configuration cannot be used.
        """
        self._settings = settings
        own, mqtt = settings.documents, settings.mqtt
        self._asked = asked
        self._topics = topics = Topics(mqtt.base_topic, own.id)
        folder, file = folder_of(settings), index_file(settings)
        self._index = Index(file, meaning_of(settings))
        self._folder = Folder(folder, self._index)
        self._database = StateDatabase(file.with_name(f"{file.stem}-requests{file.suffix}") if file else None)
        request_log = RequestLog(self._database)
        one = None if asked.pool else asked.node
        self._client = Client(mqtt, one, mqtt.username or own.id, pool=asked.pool)
        quotes = own.answer == "quotation"
        prompt = Prompt(words_of(settings.house.language), own.context_tokens, quotes=quotes)
        self._responder = Responder(
            self._quoted if quotes else self._found,
            self._folder.was_read.is_set,
            prompt,
            self._client,
            settings.sampling.timeout_s,
            mqtt.ttl_s,
        )
        in_flight, routes = InFlight(), Routes(())
        admission = Admission(mqtt, topics, routes, request_log, in_flight, _CAPACITY)
        self._gateway = Gateway(topics.node, admission, in_flight, request_log, self._responder)
        self._connection = Connection(
            mqtt,
            topics.client_id,
            dict.fromkeys(topics.inbound, Subscription(self._gateway.on_message)),
            on_ready=self._announce,
            last_will=(topics.state, OFFLINE),
            durable=DurableSession(_CAPACITY + COMMANDS, self._gateway.on_connected, topics.echo),
        )
        self._publisher = Publisher(
            self._connection, topics, in_flight, request_log, self._responder, _CAPACITY
        )
        self._supervision = systemd.Supervision(lambda: None, self.status)
        self._papers = self._count()
        self._info_lock = Lock()

    def start(self) -> tuple[str, ...]:
        """Begin to answer, on threads of their own; returns their names."""
        self._client.__enter__()
        self._responder.start()
        self._publisher.start()
        self._folder.watch()
        self._connection.start()
        log.info("service.ready", node=self._topics.node, asks=self._asked.pool or self._asked.node)
        reporting = self._supervision.start()
        return ("publisher", "mqtt", THREAD, *self._responder.threads, *(("watchdog",) if reporting else ()))

    def look(self) -> None:
        """Say what there is to read if that has changed; called every few seconds."""
        papers = self._count()
        if papers != self._papers:
            self._papers = papers
            self._publish_info()

    def stop(self) -> None:
        """Finish the replies in progress, say goodbye, and end every thread."""
        self._responder.stop(self._settings.engine.grace_s)
        self._publisher.stop()
        self._connection.stop(final_message=(self._topics.state, OFFLINE))
        self._client.__exit__(None, None, None)
        self._folder.close()
        self._supervision.stop()
        self._database.close()
        self._index.close()

    def _quoted(self, question: str, _max_characters: int) -> Found:
        return self._index.quotation(question)

    def _found(self, question: str, max_characters: int) -> Found:
        passages = self._index.context(question, max_characters)
        return Found(tuple(passages), tuple(self._index.search(question, _RANKED)))

    def status(self) -> str:
        """Say in words what the service does now, for people."""
        broker = f"{self._settings.mqtt.host}:{self._settings.mqtt.port}"
        if self._connection.contested:
            return self._connection.contested
        if self._connection.ready:
            papers = self._papers
            return f"answering from {papers.documents} documents through {broker}"
        return f"waiting for the broker at {broker}: {self._connection.failure or 'connecting'}"

    def _announce(self) -> None:
        """Say what this is, each time that the broker is reached."""
        # The broker hands messages out in order: whatever comes after this one was published after it.
        self._connection.publish(self._topics.cancel(self._topics.node), self._gateway.marker.encode())
        self._publisher.on_ready()
        self._publish_info()
        self._connection.publish(self._topics.state, ONLINE, retain=True)

    def _publish_info(self) -> None:
        with self._info_lock:  # of two threads: the newest comes last
            self._connection.publish(self._topics.info, self._info().encode(), retain=True)

    def _count(self) -> Papers:
        try:
            documents, passages, unread = self._index.count()
        except EdgeLlmError as error:
            log.error("documents.failed", reason=str(error))  # noqa: TRY400 - a traceback says no more
            return Papers(documents=0, passages=0)
        return Papers(documents=documents, passages=passages, unread=unread)

    def _info(self) -> DocumentsInfo:
        settings = self._settings
        return DocumentsInfo(
            version=__version__,
            release=settings.node.release,
            node=self._topics.node,
            protocol=self._connection.protocol,
            asks_node=None if self._asked.pool else self._asked.node,
            asks_pool=self._asked.pool,
            limits=RequestLimits(
                request_bytes=settings.mqtt.request_bytes,
                queue=WAITING,
                requests_per_minute=settings.mqtt.requests_per_minute,
                ttl_s=settings.mqtt.ttl_s,
            ),
            papers=self._papers,
        )
