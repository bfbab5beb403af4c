"""Follows the house for the page: what sources publish of it, and what devices tell of their states."""

from collections.abc import Callable
from threading import Condition
from typing import Any
from uuid import uuid4

from edge_llm.config import HouseSettings, MqttSettings
from edge_llm.contract.house import Device, House
from edge_llm.contract.topics import Topics
from edge_llm.house.announced.states import UNAVAILABLE
from edge_llm.mqtt.subscriptions import Subscription
from edge_llm.node.acts.devices import DeviceFeed
from edge_llm.node.acts.house_feed import HouseFeed
from edge_llm.web.live.changes import Changes


class HouseView:
    """The merged house with the newest states; its threads are those of the two feeds."""

    def __init__(
        self,
        settings: HouseSettings,
        mqtt: MqttSettings,
        topics: Topics,
        routes: tuple[str, ...],
        changes: Changes,
    ) -> None:
        """Notify ``changes`` of each new house and state; no device may name a topic that ``routes`` match.

        Raises:
            ConfigError: a file of the settings cannot be used.
        """
        self._moved = frozenset(settings.act)
        self._changes = changes
        self._house: House | None = None
        self.version = 0
        """Counts what has changed."""
        self._feed = HouseFeed(settings, topics, self._on_house, lambda: None)
        self._devices: DeviceFeed | None = None
        if settings.discovery is not None or settings.zigbee2mqtt is not None:
            self._devices = DeviceFeed(
                settings,
                mqtt,
                topics,
                self._feed.announce,
                _Told(self._changed),
                routes,
                client_id=f"edge_llm-web-{uuid4().hex[:8]}-devices",
            )

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """For what sources publish; on demand."""
        return self._feed.subscriptions

    def start(self) -> None:
        """Begin to follow it."""
        self._feed.start()
        if self._devices:
            self._devices.start()

    def stop(self) -> None:
        """End all threads."""
        if self._devices:
            self._devices.stop()
        self._feed.stop()

    def shown(self) -> dict[str, Any]:
        """Areas and devices as they are now."""
        house = self._house or House()
        areas = [{"id": area.id, "name": area.name} for area in house.areas]
        return {"areas": areas, "devices": [self._shown(device) for device in house.devices]}

    def _shown(self, device: Device) -> dict[str, Any]:
        now = self._devices.observed(device) if self._devices else device
        announced = self._devices is not None and self._devices.entity(device) is not None
        return {
            "id": now.id,
            "name": now.name,
            "area": now.area,
            "kind": now.kind,
            "class": now.device_class,
            "state": now.state,
            "attributes": now.attributes,
            "available": now.state != UNAVAILABLE,
            "moved_by_node": announced and now.kind in self._moved,
        }

    def _on_house(self, house: House | None) -> None:
        self._house = house
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._changes.notify()


class _Told(Condition):
    """The condition that a DeviceFeed notifies at each new state: hands that on."""

    def __init__(self, on_told: Callable[[], None]) -> None:
        super().__init__()
        self._on_told = on_told

    def notify_all(self) -> None:
        super().notify_all()
        self._on_told()
