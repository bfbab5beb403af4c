"""The parts by which a node moves devices itself, wired: only where a configuration asks for them."""

from dataclasses import dataclass
from threading import Condition

from edge_llm.config import Settings
from edge_llm.contract.node import Acts
from edge_llm.contract.topics import Topics
from edge_llm.gateway.routes import filters_of
from edge_llm.node.acts.act_log import ActLog
from edge_llm.node.acts.actor import Actor
from edge_llm.node.acts.devices import DeviceFeed
from edge_llm.node.acts.house_feed import HouseFeed
from edge_llm.node.acts.planner import Planner
from edge_llm.state.database import StateDatabase


@dataclass(frozen=True)
class OwnDevices:
    """The devices that announce themselves; ``actor`` is None where the node moves none of them."""

    feed: DeviceFeed
    planner: Planner
    actor: Actor | None

    @classmethod
    def of(
        cls,
        settings: Settings,
        topics: Topics,
        house: HouseFeed,
        database: StateDatabase,
    ) -> "OwnDevices | None":
        """Build them; None where ``house`` of the settings names nothing that announces devices.

        Raises:
            ConfigError: a file of the settings cannot be used.
        """
        own = settings.house
        if own.discovery is None and own.zigbee2mqtt is None:
            return None
        told = Condition()
        routes = filters_of(settings.routes)
        feed = DeviceFeed(own, settings.mqtt, topics, house.announce, told, routes, moves=bool(own.act))
        actor = Actor(feed, ActLog(database), told) if own.act else None
        return cls(feed, Planner(own, feed, house.is_source), actor)

    @property
    def threads(self) -> tuple[str, ...]:
        """Names of the threads that run while it is started."""
        return ("devices", "actor") if self.actor else ("devices",)

    @property
    def acts(self) -> Acts | None:
        """What the node has done; None where it moves nothing."""
        return self.actor.acts if self.actor else None

    def start(self) -> None:
        """Begin to follow devices, and to move them."""
        if self.actor:
            self.actor.start()
        self.feed.start()

    def stop(self) -> None:
        """End what is begun, and every thread."""
        if self.actor:
            self.actor.stop()
        self.feed.stop()
