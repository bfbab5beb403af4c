"""The composition root: builds the parts, wires them, starts and stops them."""

import faulthandler
import signal
from dataclasses import asdict
from queue import SimpleQueue
from threading import Thread
from types import FrameType

from edge_llm import __version__
from edge_llm.backend import Engine
from edge_llm.config import Settings
from edge_llm.event_log import EventLog
from edge_llm.host import systemd
from edge_llm.host.memory import share_heap
from edge_llm.mqtt import contract_node
from edge_llm.mqtt.client import Connection
from edge_llm.mqtt.gateway import Gateway
from edge_llm.mqtt.homeassistant import HomeAssistant
from edge_llm.mqtt.ledger import Ledger
from edge_llm.mqtt.routes import Routes
from edge_llm.mqtt.topics import OFFLINE, ONLINE, Topics
from edge_llm.node_telemetry import NodeTelemetry
from edge_llm.sessions import SessionStore

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
    sessions = SessionStore(settings.sessions)
    telemetry = NodeTelemetry(settings.telemetry)
    engine = Engine(settings.engine, settings.sampling, sessions, telemetry.generations)
    topics = Topics(settings.mqtt.base_topic, settings.node.id, settings.mqtt.pool)
    capacity = settings.engine.slots + settings.engine.queue_limit
    ledger = Ledger(settings.sessions.file)
    routes = Routes(settings.routes)
    gateway = Gateway(settings.mqtt, topics, routes, engine, ledger, capacity)
    home_assistant = HomeAssistant(
        settings.homeassistant, topics, engine.bundle.manifest.name, settings.telemetry.period_s
    )

    def announce() -> None:
        gateway.on_ready()
        telemetry.subscribe(connection)
        connection.publish(topics.info, _info(settings, engine, connection).encode(), retain=True)
        connection.publish(topics.state, ONLINE, retain=True)
        home_assistant.on_ready()

    connection = Connection(
        settings.mqtt,
        client_id=topics.session_id,
        subscriptions=topics.inbound + routes.filters + home_assistant.subscriptions,
        on_message=home_assistant.filter(telemetry.filter(gateway.on_message)),
        on_ready=announce,
        on_connected=gateway.on_connected,
        last_will=(topics.state, OFFLINE),
        receive_maximum=capacity + _COMMANDS,
    )
    gateway.connection = home_assistant.connection = connection
    publisher = Thread(target=gateway.publish, name="publisher")
    engine.start()
    publisher.start()
    connection.start()
    telemetry.start(engine, lambda: gateway.rejected_total, connection, topics)
    model, cores = engine.bundle.manifest.name, engine.pinning
    log.info("service.ready", node=topics.node, model=model, cores=cores.effective, pinning=cores.mode)
    supervision = systemd.Supervision(lambda: engine.progress, lambda: _status(settings, model, connection))
    Thread(target=supervision.run, name="watchdog", daemon=True).start()
    log.info("service.stopping", signal=_wait_for_signal().name)
    systemd.notify("STOPPING=1", "STATUS=finishing the replies that are begun")
    telemetry.stop()
    engine.stop()
    gateway.stop()
    publisher.join()
    connection.stop(farewell=(topics.state, OFFLINE))
    ledger.close()
    sessions.close()


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


def _status(settings: Settings, model: str, connection: Connection) -> str:
    broker = f"{settings.mqtt.host}:{settings.mqtt.port}"
    if connection.ready:
        return f"serving {model} through {broker}"
    return f"waiting for the broker at {broker}: {connection.failure or 'connecting'}"


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
        pinning=contract_node.Pinning(**asdict(engine.pinning)),
    )
