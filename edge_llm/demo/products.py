"""Messages of real products, made small: how devices with Tasmota and ESPHome announce, tell and are told.

Written from their documentation: tasmota.github.io/docs/MQTT, esphome.io/components/mqtt.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from edge_llm.demo.devices import Cover, Device, Fan, Light, Values

Messages = dict[str, str]
"""Payloads by their topics."""
_FAN_LEVELS = 3


@dataclass(frozen=True)
class Product(ABC):
    """A device with its name, the room it is in, and the way in which it speaks."""

    name: str
    area: str
    device: Device

    @property
    def slug(self) -> str:
        """The name as firmware writes it in topics."""
        return self.name.lower().replace(" ", "_")

    @property
    def address(self) -> str:
        """An address of its own, always the same."""
        return f"{crc32(self.name.encode()):08x}"

    @abstractmethod
    def announcement(self) -> tuple[str, dict[str, Any]]:
        """Topic of its discovery message, below the prefix, and the message."""

    @property
    @abstractmethod
    def commands(self) -> tuple[str, ...]:
        """Filters of the topics that it obeys."""

    @abstractmethod
    def wanted(self, topic: str, payload: str) -> Values:
        """Read a message as the values that the device is to take.

        Raises:
            ValueError: nothing that it understands.
        """

    @abstractmethod
    def states(self) -> Messages:
        """Return the messages that tell its state, by their topics."""

    @abstractmethod
    def availability(self, *, online: bool) -> tuple[str, str]:
        """Topic and payload that say whether it is there."""


class Tasmota(Product):
    """A plug or a dimmer with Tasmota, whose announcement is abbreviated."""

    @property
    def commands(self) -> tuple[str, ...]:
        """``cmnd`` of this device."""
        return (f"{self.slug}/cmnd/+",)

    def availability(self, *, online: bool) -> tuple[str, str]:
        """Its last will."""
        return f"{self.slug}/tele/LWT", "Online" if online else "Offline"

    def announcement(self) -> tuple[str, dict[str, Any]]:
        """As Tasmota wrote it with SetOption19."""
        part = "LI" if isinstance(self.device, Light) else "RL"
        config: dict[str, Any] = {
            "name": None,  # it is the device itself
            "~": f"{self.slug}/",
            "cmd_t": "~cmnd/POWER",
            "stat_t": "~tele/STATE",
            "val_tpl": "{{value_json.POWER}}",
            "pl_off": "OFF",
            "pl_on": "ON",
            "avty_t": "~tele/LWT",
            "pl_avail": "Online",
            "pl_not_avail": "Offline",
            "uniq_id": f"{self.address}_{part}_1",
            "dev": {"ids": [self.address], "name": self.name, "mf": "Tasmota", "sa": self.area},
        }
        if isinstance(self.device, Light):
            config |= {"bri_cmd_t": "~cmnd/Dimmer", "bri_stat_t": "~tele/STATE", "bri_scl": 100}
            config |= {"bri_val_tpl": "{{value_json.Dimmer}}", "on_cmd_type": "brightness"}
        return f"{self.device.kind}/{self.address}_{part}_1/config", config

    def wanted(self, topic: str, payload: str) -> Values:
        """Read a command; names are in any case of letters, as the firmware has it."""
        words = {"0": "off", "1": "on", "2": "toggle"}
        match topic.rsplit("/", 1)[1].lower():
            case "power" | "power1":
                return {"state": words.get(payload, payload.lower())}
            case "dimmer":
                return {"brightness": min(100, max(0, int(payload)))}
        return {}

    def states(self) -> Messages:
        """Its telemetry."""
        values = self.device.values
        state: dict[str, Any] = {"POWER": values["state"].upper(), "Wifi": {"RSSI": 72}}
        if "brightness" in values:
            state["Dimmer"] = round(values["brightness"])
        return {f"{self.slug}/tele/STATE": json.dumps(state)}


class EspHome(Product):
    """A cover or a fan with ESPHome: a topic for each value."""

    @property
    def _topic(self) -> str:
        return f"{self.slug}/{self.device.kind}/{self.slug}"

    @property
    def _value(self) -> str:
        return "speed_level" if isinstance(self.device, Fan) else "position"

    @property
    def commands(self) -> tuple[str, ...]:
        """Of the state, and of the value."""
        return (f"{self._topic}/command", f"{self._topic}/{self._value}/command")

    def availability(self, *, online: bool) -> tuple[str, str]:
        """Its birth and its will."""
        return f"{self.slug}/status", "online" if online else "offline"

    def announcement(self) -> tuple[str, dict[str, Any]]:
        """As the firmware writes it."""
        config: dict[str, Any] = {
            "name": None,  # it is the device itself
            "stat_t": f"{self._topic}/state",
            "cmd_t": f"{self._topic}/command",
            "avty_t": f"{self.slug}/status",
            "uniq_id": f"ESP{self.device.kind}{self.address}",
            "dev": {"ids": self.address, "name": self.name, "mf": "Espressif", "sa": self.area},
        }
        value = (f"{self._topic}/{self._value}/state", f"{self._topic}/{self._value}/command")
        if isinstance(self.device, Cover):
            config |= {"pos_t": value[0], "set_pos_t": value[1], "dev_cla": self.device.looks}
        else:
            config |= {"pct_stat_t": value[0], "pct_cmd_t": value[1], "spd_rng_max": _FAN_LEVELS}
        return f"{self.device.kind}/{self.slug}/{self.slug}/config", config

    def wanted(self, topic: str, payload: str) -> Values:
        """Read a command as the values that it sets."""
        if topic == f"{self._topic}/command":
            return {"state": payload.lower()}
        if isinstance(self.device, Fan):
            return {"speed": min(_FAN_LEVELS, max(1, int(payload))) / _FAN_LEVELS * 100}
        return {"position": float(payload)}

    def states(self) -> Messages:
        """A message for each value."""
        values = self.device.values
        if isinstance(self.device, Fan):
            state, value = values["state"].upper(), round(values["speed"] * _FAN_LEVELS / 100)
        else:
            state, value = values["state"], round(values["position"])
        return {f"{self._topic}/state": state, f"{self._topic}/{self._value}/state": str(value)}
