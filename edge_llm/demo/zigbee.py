"""A device at zigbee2mqtt: its announcement for Home Assistant, its one object, and what it takes.

Written from zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html.
"""

import colorsys
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from edge_llm.demo.devices import BinarySensor, Climate, Cover, Light, Lock, Values, xy_of
from edge_llm.demo.products import Messages, Product

BRIDGE = "zigbee2mqtt/bridge/state"
_BRIGHTNESS = 254


class Zigbee(Product):
    """A device at zigbee2mqtt: everything is in one JSON object."""

    _MAIN: ClassVar[Mapping[str, str]] = {"climate": "system_mode", "sensor": "temperature"}
    """Property that is the state, where it is not called so."""
    _SETPOINT = "occupied_heating_setpoint"

    @property
    def _topic(self) -> str:
        return f"zigbee2mqtt/{self.name}"

    @property
    def commands(self) -> tuple[str, ...]:
        """The object, and a property alone below it."""
        return (f"{self._topic}/set", f"{self._topic}/set/+")

    def availability(self, *, online: bool) -> tuple[str, str]:
        """Of the device; that of the bridge is BRIDGE."""
        return f"{self._topic}/availability", json.dumps({"state": "online" if online else "offline"})

    def announcement(self) -> tuple[str, dict[str, Any]]:
        """As its extension for Home Assistant writes it."""
        identifier, part = f"0x{self.address:0>16}", self._main
        config = {
            "availability": [
                {"topic": topic, "value_template": "{{ value_json.state }}"}
                for topic in (BRIDGE, f"{self._topic}/availability")
            ],
            "availability_mode": "all",
            "device": {
                "identifiers": [f"zigbee2mqtt_{identifier}"],
                "manufacturer": "Demo",
                "name": self.name,
                "suggested_area": self.area,
            },
            "name": None,
            "unique_id": f"{identifier}_{part}_zigbee2mqtt",
            "origin": {"name": "Zigbee2MQTT"},
            **self._config(),
        }
        return f"{self.device.kind}/{identifier}/{part}/config", config

    @property
    def _main(self) -> str:
        if isinstance(self.device, BinarySensor):
            return "contact" if self.device.measures == "door" else "occupancy"
        return self._MAIN.get(self.device.kind, "state")

    def _config(self) -> dict[str, Any]:
        topic, order = self._topic, f"{self._topic}/set"
        told = {"state_topic": topic, "value_template": f"{{{{ value_json.{self._main} }}}}"}
        match self.device:
            case Light(values=values):
                modes = ["xy"] if "color" in values else ["brightness"]
                light = {"schema": "json", "brightness": True, "brightness_scale": _BRIGHTNESS}
                return {**light, "supported_color_modes": modes, "state_topic": topic, "command_topic": order}
            case Lock():
                words = {"payload_lock": "LOCK", "payload_unlock": "UNLOCK"}
                return {
                    **told,
                    **words,
                    "command_topic": order,
                    "state_locked": "LOCK",
                    "state_unlocked": "UNLOCK",
                }
            case Cover(looks=looks):
                states = {"state_open": "OPEN", "state_closed": "CLOSE", "state_stopped": "STOP"}
                position = {"position_topic": topic, "position_template": "{{ value_json.position }}"}
                move = {
                    "set_position_topic": order,
                    "set_position_template": '{ "position": {{ position }} }',
                }
                return {**told, **states, **position, **move, "command_topic": order, "device_class": looks}
            case Climate(least=least, most=most, step=step, told=modes):
                return {
                    "modes": list(modes),
                    "mode_command_topic": f"{order}/system_mode",
                    "mode_state_topic": topic,
                    "mode_state_template": told["value_template"],
                    "temperature_command_topic": f"{order}/{self._SETPOINT}",
                    "temperature_state_topic": topic,
                    "temperature_state_template": f"{{{{ value_json.{self._SETPOINT} }}}}",
                    "current_temperature_topic": topic,
                    "current_temperature_template": "{{ value_json.local_temperature }}",
                    "min_temp": str(least),
                    "max_temp": str(most),
                    "temp_step": step,
                    "temperature_unit": "C",
                }
            case BinarySensor(measures=measures):
                closed = measures == "door"
                return {**told, "device_class": measures, "payload_on": not closed, "payload_off": closed}
        return {
            **told,
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
        }

    def wanted(self, topic: str, payload: str) -> Values:
        """Read an object, a bare state, or a bare value of a property as the values that it sets."""
        if topic.endswith("/set"):
            said: dict[str, Any] = json.loads(payload) if payload.startswith("{") else {"state": payload}
        else:
            said = {topic.rsplit("/", 1)[1]: payload}
        wanted: Values = {}
        for name, value in said.items():
            match name:
                case "state" | "system_mode":
                    wanted["state"] = str(value).lower()
                case "brightness":
                    wanted["brightness"] = min(100.0, max(0.0, float(value) / _BRIGHTNESS * 100))
                case "position":
                    wanted["position"] = float(value)
                case "color":
                    wanted["color"] = _xy(value)
                case self._SETPOINT:
                    wanted["temperature"] = float(value)
        return wanted

    def states(self) -> Messages:
        """The object, with what zigbee2mqtt adds to it."""
        values, told = self.device.values, {"linkquality": 120}
        return {self._topic: json.dumps({**self._told(values), **told})}

    def _told(self, values: Values) -> dict[str, Any]:
        match self.device:
            case Light():
                told = {
                    "state": values["state"].upper(),
                    "brightness": round(values["brightness"] * _BRIGHTNESS / 100),
                }
                if "color" in values:
                    told |= {"color_mode": "xy", "color": dict(zip("xy", values["color"], strict=True))}
                return told
            case Lock():
                return {"state": "LOCK" if values["state"] == "locked" else "UNLOCK"}
            case Cover():
                closed = values["state"] in ("closed", "closing")
                return {"state": "CLOSE" if closed else "OPEN", "position": round(values["position"])}
            case Climate():
                inside = {"local_temperature": values["current_temperature"]}
                return {"system_mode": values["state"], self._SETPOINT: values["temperature"], **inside}
            case BinarySensor(measures=measures):
                # What a contact tells is that the two halves of it touch.
                return {self._main: (values["state"] == "on") != (measures == "door")}
        return {self._main: values["state"]}


def _xy(color: Mapping[str, Any]) -> tuple[float, float]:
    """Read a color in any of the forms that zigbee2mqtt takes."""
    match color:
        case {"x": x, "y": y}:
            return float(x), float(y)
        case {"r": r, "g": g, "b": b}:
            return xy_of(float(r), float(g), float(b))
        case {"hex": str(text)}:
            return xy_of(*bytes.fromhex(text.removeprefix("#")))
        case {"h": hue, "s": saturation} | {"hue": hue, "saturation": saturation}:
            parts = colorsys.hsv_to_rgb(float(hue) / 360, float(saturation) / 100, 1)
            return xy_of(*(255 * part for part in parts))
    raise ValueError("no color")
