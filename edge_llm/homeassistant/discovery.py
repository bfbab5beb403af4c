"""Announces the node to Home Assistant as one device, by MQTT discovery, or withdraws it.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

import json
import random
import re
from math import ceil
from threading import Lock, Timer
from typing import Any

from edge_llm import __version__
from edge_llm.config import HomeAssistantSettings
from edge_llm.contract.requests import EVERYTHING
from edge_llm.contract.topics import ONLINE, Topics
from edge_llm.event_log import EventLog
from edge_llm.homeassistant.entities import MAX_STATE, REPLY_ATTRIBUTES, REPLY_STATE, SENSORS
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message, Outcome

log = EventLog(__name__)

_JITTER_S = 1.0, 5.0
"""Delay of the announcement: all nodes hear at the same instant that Home Assistant has started."""
_FILE_ENDS = re.compile(
    r"([-_. ](gguf|safetensors|onnx|bin|(i|iq|q)\d\w*|int\d|b?f(p)?\d+|imat|ud))+$", re.IGNORECASE
)
"""Ends of file and repository names that are not the model's name: format and quantization."""
_SIZE = re.compile(r"\d+(\.\d+)?[bmk]", re.IGNORECASE)
_MISSED_PERIODS = 3
"""Number of periods without telemetry after which a sensor is unavailable."""


class HomeAssistant:
    """Announces a node at each connection, and each time that Home Assistant has started."""

    def __init__(self, settings: HomeAssistantSettings, topics: Topics, model: str, period_s: float) -> None:
        """``model`` is the bundle's name; telemetry comes every ``period_s`` seconds."""
        self._settings = settings
        self._topics = topics
        self._model = model
        self._period_s = period_s
        self._lock = Lock()
        self._timer: Timer | None = None
        self._stopped = False
        self._left_out = False
        """True once a log line has said that the broker does not take the announcement."""
        self.subscriptions = status_topics(settings)

    def announce(self, connection: Connection) -> None:
        """Announce the node or withdraw it, as configured; to be called after each connection."""
        topic = discovery_topic(self._settings, self._topics)
        if self._settings.enabled:
            payload = json.dumps(self.discovery(), ensure_ascii=False).encode()
            connection.publish(
                topic, payload, retain=True, on_sent=lambda outcome: self._log_sent(topic, payload, outcome)
            )
        elif self._settings.enabled is False:
            connection.publish(topic, b"", retain=True)

    def _log_sent(self, topic: str, payload: bytes, outcome: Outcome) -> None:
        refused = outcome is Outcome.REFUSED
        if not refused:
            log.info("homeassistant.announced", topic=topic, bytes=len(payload))
        elif not self._left_out:
            log.warning(
                "homeassistant.left_out",
                topic=topic,
                bytes=len(payload),
                hint="the broker takes no message as large: raise its limit (mosquitto: max_packet_size,"
                " message_size_limit)",
            )
        self._left_out = refused

    def on_status(self, connection: Connection, message: Message) -> None:
        """Take a message on ``subscriptions``: announce the node soon if Home Assistant has started."""
        message.acknowledge()
        # A retained one is old news: this connection has announced the node already.
        if message.payload == ONLINE and not message.retained:
            with self._lock:
                if self._timer is None and not self._stopped:
                    delay_s = random.uniform(*_JITTER_S)  # noqa: S311 - no secret
                    self._timer = Timer(delay_s, self._announce_again, (connection,))
                    self._timer.name = "homeassistant"
                    self._timer.start()

    def _announce_again(self, connection: Connection) -> None:
        with self._lock:
            if self._stopped:
                return
            self._timer = None
        if connection.ready:  # else the next connection announces it
            self.announce(connection)

    def stop(self) -> None:
        """Announce no more; end the timer, if there is one."""
        with self._lock:
            self._stopped = True
            timer = self._timer
        if timer:
            timer.cancel()
            timer.join()

    def discovery(self) -> dict[str, Any]:
        """Build the discovery message."""
        topics, object_id = self._topics, _object_id(self._settings, self._topics)
        return {
            "device": {
                "identifiers": [f"edge_llm_{object_id}"],
                "name": self._settings.name or f"edge_llm {topics.node}",
                "manufacturer": "edge_llm",
                "model": model_name(self._model),
                "sw_version": __version__,
            },
            "origin": {"name": "edge_llm", "sw_version": __version__},
            "availability": [{"topic": topics.state}],
            "components": {
                key: {
                    "platform": platform,
                    "unique_id": f"edge_llm_{object_id}_{key}",
                    "default_entity_id": f"{platform}.{_slug(object_id)}_{key}",
                    **config,
                }
                for key, platform, config in (*self._commands(), *self._sensors())
            },
        }

    def _commands(self) -> list[tuple[str, str, dict[str, Any]]]:
        topics, client = self._topics, self._settings.client
        ask = {"command_topic": topics.request(client), "qos": 1}
        return [
            ("ask", "notify", {"name": "Ask", "icon": "mdi:chat-question", **ask}),
            ("prompt", "text", {"name": "Prompt", "icon": "mdi:chat", "min": 1, "max": MAX_STATE, **ask}),
            (
                "cancel",
                "button",
                {
                    "name": "Cancel",
                    "icon": "mdi:stop",
                    "command_topic": topics.cancel(client),
                    "payload_press": EVERYTHING,
                    "qos": 1,
                },
            ),
            (
                "reply",
                "sensor",
                {
                    "name": "Last reply",
                    "icon": "mdi:chat-processing",
                    "state_topic": topics.reply(client),
                    "value_template": REPLY_STATE,
                    "json_attributes_topic": topics.reply(client),
                    "json_attributes_template": REPLY_ATTRIBUTES,
                    "force_update": True,  # the same words again are a reply again
                    "qos": 1,
                },
            ),
        ]

    def _sensors(self) -> list[tuple[str, str, dict[str, Any]]]:
        topic = self._topics.telemetry
        shared = {"state_topic": topic, "expire_after": ceil(_MISSED_PERIODS * self._period_s)}
        return [
            (
                sensor.key,
                "sensor",
                sensor.config() | shared | ({"json_attributes_topic": topic} if sensor.attributes else {}),
            )
            for sensor in SENSORS
        ]


def status_topics(settings: HomeAssistantSettings) -> tuple[str, ...]:
    """In, QoS 1: the topic on which Home Assistant says that it has started; none unless announced to it."""
    return (f"{settings.prefix}/status",) if settings.enabled else ()


def discovery_topic(settings: HomeAssistantSettings, topics: Topics) -> str:
    """Out, QoS 1, retained: the topic of the discovery message; an empty one withdraws the device."""
    return f"{settings.prefix}/device/{_object_id(settings, topics)}/config"


def model_name(name: str) -> str:
    """Convert the bundle's model name, which may be a file's, to the name as the model's makers write it.

    ``models/qwen2.5-0.5b-instruct-q8_0.gguf`` is ``Qwen2.5-0.5B-Instruct``.
    """
    stem = _FILE_ENDS.sub("", re.split(r"[/\\]", name.strip())[-1]).strip(" -_.")
    if stem and stem == stem.lower():
        stem = "-".join(
            word.upper() if _SIZE.fullmatch(word) else word[:1].upper() + word[1:]
            for word in re.split("[-_]", stem)
        )
    return stem or name


def _object_id(settings: HomeAssistantSettings, topics: Topics) -> str:
    """The device's name in its discovery topic; Home Assistant allows no dot there."""
    return settings.object_id or topics.node.replace(".", "_")


def _slug(object_id: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", object_id.lower())
