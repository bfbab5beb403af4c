"""The composition root: builds the parts, wires them, starts and stops them."""

from threading import Lock

from edge_llm import __version__
from edge_llm.bundle import TOKENIZER
from edge_llm.config import Settings
from edge_llm.contract.house import House
from edge_llm.contract.node import FEATURES, Info, Limits, PrefillGraph, State
from edge_llm.contract.topics import OFFLINE, ONLINE, Topics
from edge_llm.engine.engine import Engine
from edge_llm.engine.onnx.loading import LoadingModel
from edge_llm.event_log import EventLog
from edge_llm.gateway.decision import Admission
from edge_llm.gateway.gateway import COMMANDS, Gateway
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.publisher import Publisher
from edge_llm.gateway.request_log import RequestLog
from edge_llm.gateway.routes import Routes
from edge_llm.homeassistant.discovery import HomeAssistant
from edge_llm.host import systemd
from edge_llm.host.instructions import integer_instructions, read_flags
from edge_llm.host.power.choose import choose_source
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.subscriptions import DurableSession, Subscription
from edge_llm.node.acts.acting import Acting
from edge_llm.node.acts.house_feed import HouseFeed
from edge_llm.node.acts.own_devices import OwnDevices
from edge_llm.node.responder import Responder
from edge_llm.node.sessions import SessionStore
from edge_llm.node.telemetry import OnChange, TelemetryPublisher, meter_subscriptions, open_metrics
from edge_llm.state.database import StateDatabase
from edge_llm.telemetry.collector import Collector
from edge_llm.telemetry.energy import EnergyMeter
from edge_llm.telemetry.reply_stats import ReplyStats

log = EventLog(__name__)


class Service:
    """The parts of a node, wired."""

    def __init__(self, settings: Settings, model: LoadingModel) -> None:
        """Build them; takes as long as the model is still loading.

        Raises:
            EdgeLlmError: the bundle or the configuration cannot be used.
        """
        self._settings = settings
        mqtt = settings.mqtt
        self._topics = topics = Topics(mqtt.base_topic, settings.node.id, mqtt.pool)
        capacity = settings.engine.slots + settings.engine.queue_limit
        self._info_lock = Lock()
        self._house = HouseFeed(settings.house, topics, self._act_in, self._publish_info)
        self._database = StateDatabase(settings.sessions.file)
        self._own = OwnDevices.of(settings, topics, self._house, self._database)
        self._acting = Acting(settings.house, self._own.planner if self._own else None)
        self._request_log = RequestLog(self._database)
        self._power = choose_source(settings.telemetry)
        self._bundle = bundle = model.bundle
        tokenizer = bundle.manifest.sha256.get(TOKENIZER, bundle.hash)
        sessions = SessionStore(settings.sessions, tokenizer, self._database)
        self._metrics = open_metrics(settings.telemetry, bundle.manifest.name)
        self._engine = Engine(model, settings.engine)
        stats = ReplyStats(EnergyMeter(self._power))
        constrained = settings.engine.constrains
        responder = Responder(
            self._engine,
            bundle.manifest,
            settings.sampling,
            sessions,
            stats,
            self._acting,
            actor=self._own.actor if self._own else None,
            constrained=constrained,
        )
        in_flight, routes = InFlight(), Routes(settings.routes)
        admission = Admission(mqtt, topics, routes, self._request_log, in_flight, capacity)
        self._gateway = Gateway(topics.node, admission, in_flight, self._request_log, responder)
        self._home_assistant = HomeAssistant(
            settings.homeassistant, topics, bundle.manifest.name, settings.telemetry.period_s
        )
        self._connection = Connection(
            mqtt,
            topics.client_id,
            self._subscriptions(routes),
            on_ready=self._announce,
            last_will=(topics.state, OFFLINE),
            durable=DurableSession(capacity + COMMANDS, self._gateway.on_connected, topics.echo),
        )
        self._publisher = Publisher(
            self._connection, topics, in_flight, self._request_log, responder, capacity
        )
        self._collector = self._make_collector(stats)
        self._supervision = systemd.Supervision(lambda: self._engine.steps, self.status)

    def _make_collector(self, stats: ReplyStats) -> Collector:
        publisher = TelemetryPublisher(self._connection, self._topics)
        sinks = publisher, OnChange(self._state, self._publish_info)
        return Collector(
            self._settings.telemetry,
            self._topics.node,
            stats,
            self._engine,
            lambda: self._gateway.rejected_total,
            lambda: self._own.acts if self._own else None,
            (*sinks, self._metrics) if self._metrics else sinks,
        )

    def _subscriptions(self, routes: Routes) -> dict[str, Subscription]:
        """Every filter that the node subscribes to, with the part that takes what comes."""
        gateway = Subscription(self._gateway.on_message)
        subscriptions = self._house.subscriptions  # first: no route takes what is on its topics
        subscriptions |= dict.fromkeys((*self._topics.inbound, *routes.filters), gateway)
        if self._topics.shared:
            subscriptions[self._topics.shared] = Subscription(self._gateway.on_message, on_demand=True)
        home_assistant = Subscription(
            lambda message: self._home_assistant.on_status(self._connection, message)
        )
        meter = meter_subscriptions(self._settings.telemetry, self._power, subscriptions)
        return subscriptions | dict.fromkeys(self._home_assistant.subscriptions, home_assistant) | meter

    def start(self) -> tuple[str, ...]:
        """Begin to answer, on threads of their own; returns their names."""
        self._engine.start()
        self._publisher.start()
        self._house.start()
        if self._own:
            self._own.start()
        self._acting.expect_house()
        self._connection.start()
        self._collector.start()
        cores = self._engine.pinning
        log.info(
            "service.ready",
            node=self._topics.node,
            model=self._bundle.manifest.name,
            cores=cores.effective,
            pinning=cores.mode,
        )
        reporting = self._supervision.start()
        return (
            "engine",
            "publisher",
            "mqtt",
            "telemetry",
            "house",
            *(self._own.threads if self._own else ()),
            *(("metrics",) if self._metrics else ()),
            *(("watchdog",) if reporting else ()),
        )

    def stop(self) -> None:
        """Finish the replies in progress, say goodbye, and end every thread."""
        self._home_assistant.stop()
        self._collector.stop()
        self._acting.stop()
        self._house.stop()
        if self._metrics:
            self._metrics.close()
        self._engine.stop()
        if self._own:
            self._own.stop()
        self._publisher.stop()
        self._connection.stop(final_message=(self._topics.state, OFFLINE))
        self._supervision.stop()
        self._database.close()

    def _announce(self) -> None:
        """Say what this node is, each time that the broker is reached."""
        # The broker hands messages out in order: whatever comes after this one was published after it.
        self._connection.publish(self._topics.cancel(self._topics.node), self._gateway.marker.encode())
        self._acting.expect_house()
        self._publisher.on_ready()
        if self._settings.telemetry.meter_topic:
            self._connection.subscribe(self._settings.telemetry.meter_topic)
        self._connection.subscribe(self._topics.house)
        self._publish_info()
        self._connection.publish(self._topics.state, ONLINE, retain=True)
        self._home_assistant.announce(self._connection)

    def _publish_info(self) -> None:
        with self._info_lock:  # of several threads: the newest comes last
            self._connection.publish(self._topics.info, self._info().encode(), retain=True)

    def _act_in(self, house: House | None) -> None:
        """Act in a house from now on, and get ready for what the model is asked; on the house's thread."""
        compiled = self._acting.use(house)
        if compiled and self._settings.engine.constrains:
            self._engine.prefill(compiled.prefix)
            self._engine.preload_constraints()

    def _state(self) -> State | None:
        """Name the state that is kept in memory although it should be on disk; None if there is none."""
        sessions, prefixes = self._database.problem, self._engine.prefix_store_problem
        if not sessions and not prefixes:
            return None
        return State(
            sessions="memory" if sessions else None,
            prefixes="memory" if prefixes else None,
            reason="; ".join(filter(None, (sessions, prefixes))),
        )

    def status(self) -> str:
        """Say in words what the node does now, for people."""
        broker = f"{self._settings.mqtt.host}:{self._settings.mqtt.port}"
        if self._connection.contested:
            return self._connection.contested
        if self._connection.ready:
            state = self._state()
            only = f"; state in memory only: {state.reason}" if state else ""
            return f"serving {self._bundle.manifest.name} through {broker}{only}"
        return f"waiting for the broker at {broker}: {self._connection.failure or 'connecting'}"

    def _info(self) -> Info:
        settings, manifest = self._settings, self._bundle.manifest
        return Info(
            version=__version__,
            release=settings.node.release,
            node=settings.node.id,
            protocol=self._connection.protocol,
            model=manifest.name,
            architecture=manifest.architecture,
            quantization=manifest.quantization,
            bundle_hash=self._bundle.hash,
            features=FEATURES if settings.engine.constrains else (),
            limits=Limits(
                request_bytes=settings.mqtt.request_bytes,
                context_tokens=self._engine.context_tokens,
                queue=settings.engine.queue_limit,
                requests_per_minute=settings.mqtt.requests_per_minute,
                ttl_s=settings.mqtt.ttl_s,
            ),
            pool=settings.mqtt.pool,
            pinning=self._engine.pinning,
            prefill_graph=PrefillGraph(
                used=self._engine.prefill_refused is None,
                reason=self._engine.prefill_refused,
                instructions=integer_instructions(read_flags()),
            ),
            state=self._state(),
            house=self._house.info,
        )
