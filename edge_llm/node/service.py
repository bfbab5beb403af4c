"""The composition root: builds the parts, wires them, starts and stops them."""

import faulthandler
import signal
from queue import SimpleQueue
from threading import Thread
from types import FrameType

from edge_llm import __version__
from edge_llm.bundle import read_manifest
from edge_llm.config import Settings
from edge_llm.contract import node as contract_node
from edge_llm.contract.topics import OFFLINE, ONLINE, Topics
from edge_llm.event_log import EventLog
from edge_llm.gateway.gateway import Gateway
from edge_llm.gateway.request_log import RequestLog
from edge_llm.gateway.routes import Routes
from edge_llm.homeassistant.discovery import HomeAssistant
from edge_llm.host import systemd
from edge_llm.host.memory import share_heap
from edge_llm.host.power.choose import choose_source
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.node.responder import Engine
from edge_llm.node.sessions import SessionStore
from edge_llm.node.telemetry import TelemetryPublisher, meter_filter, open_metrics
from edge_llm.telemetry.collector import Collector
from edge_llm.telemetry.energy import EnergyMeter
from edge_llm.telemetry.reply_stats import ReplyStats

log = EventLog(__name__)

_COMMANDS = 16
"""Messages that the broker may hand out beside the requests that fit: cancellations must not wait."""
_STOP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


def serve(settings: Settings) -> None:
    """Run the service until SIGTERM, SIGINT or SIGHUP, then finish the replies in the making.

    One of these while the model is loaded, and a second one, ends the process at once: the broker keeps what
    is not answered.

    Raises:
        EdgeLlmError: the bundle or the configuration cannot be used; nothing was started.
    """
    share_heap()
    faulthandler.enable()  # systemd's watchdog ends with SIGABRT: then the log says where each thread was
    _end_at_signals()
    systemd.notify("STATUS=loading the model")
    service = Service(settings)
    service.start()
    log.info("service.stopping", signal=_wait_for_signal().name)
    systemd.notify("STOPPING=1", "STATUS=finishing the replies that are begun")
    service.stop()


class Service:
    """The parts of a node, wired."""

    def __init__(self, settings: Settings) -> None:
        """Build them; takes as long as loading the model.

        Raises:
            EdgeLlmError: the bundle or the configuration cannot be used.
        """
        self._settings = settings
        self._sessions = SessionStore(settings.sessions)
        power = choose_source(settings.telemetry)
        stats = ReplyStats(EnergyMeter(power))
        model = read_manifest(settings.engine.bundle).manifest.name
        self._metrics = open_metrics(settings.telemetry, model)
        self._engine = Engine(settings.engine, settings.sampling, self._sessions, stats)
        self._topics = topics = Topics(settings.mqtt.base_topic, settings.node.id, settings.mqtt.pool)
        self._ledger = RequestLog(settings.sessions.file)
        capacity = settings.engine.slots + settings.engine.queue_limit
        routes = Routes(settings.routes)
        self._gateway = gateway = Gateway(settings.mqtt, topics, routes, self._engine, self._ledger, capacity)
        self._home_assistant = HomeAssistant(
            settings.homeassistant, topics, self._model, settings.telemetry.period_s
        )
        self._to_gateway = meter_filter(settings.telemetry, power, gateway.on_message)
        self._connection = gateway.connection = Connection(
            settings.mqtt,
            client_id=topics.client_id,
            subscriptions=topics.inbound + routes.filters + self._home_assistant.subscriptions,
            on_message=self._on_message,
            on_ready=self._announce,
            on_connected=gateway.on_connected,
            last_will=(topics.state, OFFLINE),
            receive_maximum=capacity + _COMMANDS,
        )
        self._publisher = Thread(target=gateway.publish, name="publisher")
        publisher = TelemetryPublisher(self._connection, topics)
        self._collector = Collector(
            settings.telemetry,
            topics.node,
            stats,
            self._engine,
            lambda: gateway.rejected_total,
            (publisher, self._metrics) if self._metrics else (publisher,),
        )
        self._supervision = systemd.Supervision(lambda: self._engine.progress, self._status)

    def start(self) -> None:
        """Begin to answer, on threads of their own."""
        self._engine.start()
        self._publisher.start()
        self._connection.start()
        self._collector.start()
        cores = self._engine.pinning
        log.info(
            "service.ready",
            node=self._topics.node,
            model=self._model,
            cores=cores.effective,
            pinning=cores.mode,
        )
        self._supervision.start()

    def stop(self) -> None:
        """Finish the replies in the making, and say goodbye."""
        self._collector.stop()
        if self._metrics:
            self._metrics.close()
        self._engine.stop()
        self._gateway.stop()
        self._publisher.join()
        self._home_assistant.stop()
        self._connection.stop(final_message=(self._topics.state, OFFLINE))
        self._ledger.close()
        self._sessions.close()
        self._supervision.stop()

    @property
    def _model(self) -> str:
        return self._engine.bundle.manifest.name

    def _announce(self) -> None:
        """Say what this node is, each time that the broker is reached."""
        self._gateway.on_ready()
        if self._settings.telemetry.meter_topic:
            # At QoS 0: a broker keeps none of them for a node that is away, where requests need the room.
            self._connection.subscribe(self._settings.telemetry.meter_topic, qos=0)
        info = _info(self._settings, self._engine, self._connection)
        self._connection.publish(self._topics.info, info.encode(), retain=True)
        self._connection.publish(self._topics.state, ONLINE, retain=True)
        self._home_assistant.announce(self._connection)

    def _on_message(self, message: Message) -> None:
        if message.topic in self._home_assistant.subscriptions:
            self._home_assistant.on_status(self._connection, message)
        else:
            self._to_gateway(message)

    def _status(self) -> str:
        broker = f"{self._settings.mqtt.host}:{self._settings.mqtt.port}"
        if self._connection.ready:
            return f"serving {self._model} through {broker}"
        return f"waiting for the broker at {broker}: {self._connection.failure or 'connecting'}"


def _end_at_signals() -> None:
    for number in _STOP:
        signal.signal(number, signal.SIG_DFL)


def _wait_for_signal() -> signal.Signals:
    """Say that the service is ready, and wait for the first signal to stop."""
    came: SimpleQueue[int] = SimpleQueue()  # a handler may not use an Event: it may interrupt its holder

    def on_signal(number: int, _frame: FrameType | None) -> None:
        _end_at_signals()
        came.put(number)

    for number in _STOP:
        signal.signal(number, on_signal)
    systemd.notify("READY=1")
    return signal.Signals(came.get())


def _info(settings: Settings, engine: Engine, connection: Connection) -> contract_node.Info:
    manifest = engine.bundle.manifest
    return contract_node.Info(
        version=__version__,
        release=settings.node.release,
        node=settings.node.id,
        protocol=connection.protocol,
        model=manifest.name,
        architecture=manifest.architecture,
        quantization=manifest.quantization,
        bundle_hash=engine.bundle.hash,
        limits=contract_node.Limits(
            request_bytes=settings.mqtt.request_bytes,
            context_tokens=settings.engine.context_tokens,
            queue=settings.engine.queue_limit,
            requests_per_minute=settings.mqtt.requests_per_minute,
            ttl_s=settings.mqtt.ttl_s,
        ),
        pool=settings.mqtt.pool,
        pinning=engine.pinning,
    )
