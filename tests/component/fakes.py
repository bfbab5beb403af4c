"""A node and its broker as Home Assistant's mocked MQTT client sees them."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from homeassistant.components.conversation import ConversationResult
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message

BASE, NODE = "edge_llm", "kitchen-pc"
TOPIC = f"{BASE}/{NODE}"
HOUSE = f"{BASE}/house/homeassistant"
INFO: dict[str, Any] = {"node": NODE, "model": "a model", "version": "1.2.3", "features": ["act", "tools"]}

TRANSLATIONS = Path(__file__).parents[2] / "custom_components/edge_llm/translations"

Frames = list[dict[str, Any]]


async def until(condition: Callable[[], Any]) -> None:
    """Let Home Assistant go on until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.001)


def delta(text: str) -> dict[str, Any]:
    return {"type": "delta", "text": text}


def call(intent: str, *devices: str, call_id: str = "c1", **arguments: Any) -> dict[str, Any]:
    listed = {"id": call_id, "name": intent, "arguments": arguments, "device_ids": list(devices)}
    return {"type": "call", "index": 0, "call": listed}


def done(text: str = "", *calls: dict[str, Any], outcome: str | None = None, **more: Any) -> dict[str, Any]:
    act = {"act": {"outcome": outcome}} if outcome else {}
    return {"type": "done", "text": text, "calls": [each["call"] for each in calls], **act, **more}


def error(code: str, retry_after_ms: int | None = None) -> dict[str, Any]:
    retry = {"retryable": True, "retry_after_ms": retry_after_ms} if retry_after_ms is not None else {}
    return {"type": "error", "code": code, "message": "", "retryable": False, **retry}


def translations(language: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((TRANSLATIONS / f"{language}.json").read_text())
    return read


def words(language: str, reason: str) -> str:
    return str(translations(language)["exceptions"][reason]["message"])


def spoken(result: ConversationResult) -> str:
    return str(result.response.speech["plain"]["speech"])


@dataclass
class FakeNode:
    """Answers each request with the next of its replies; what else was published is kept."""

    hass: HomeAssistant
    topic: str = TOPIC
    requests: list[dict[str, Any]] = field(default_factory=list)
    published: list[tuple[str, str, bool]] = field(default_factory=list)
    """Topic, payload, and whether it is retained."""
    retained: dict[str, str] = field(default_factory=dict)
    on_request: Callable[[], None] | None = None
    """Called at a request for which there is no reply."""
    beside: list["FakeNode"] = field(default_factory=list)
    """All that hear what is published, the node itself among them."""
    _replies: deque[Frames] = field(default_factory=deque)
    _seq: Any = field(default_factory=count)

    def reply(self, *frames: dict[str, Any]) -> None:
        """Answer the next request so; with nothing, it is left alone."""
        self._replies.append(list(frames))

    def say(self, frame: dict[str, Any], request: int = -1) -> None:
        """Publish a frame of the reply to a request that was made."""
        header = {"v": 1, "id": self.requests[request]["id"], "node": NODE, "seq": next(self._seq)}
        self.fire(f"{self.topic}/stream/homeassistant", json.dumps(header | frame))

    def fire(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Deliver a message; what is retained, to later subscribers, too (and only to them as retained)."""
        if retain:
            self.retained[topic] = payload
        async_fire_mqtt_message(self.hass, topic, payload)

    def info(self, info: dict[str, Any]) -> None:
        self.fire(f"{self.topic}/info", json.dumps(info), retain=True)

    def state(self, state: str) -> None:
        self.fire(f"{self.topic}/state", state, retain=True)

    def on(self, topic: str) -> list[str]:
        """What was published on a topic."""
        return [payload for each, payload, _ in self.published if each == topic]

    def house(self) -> dict[str, Any]:
        """The house that is published now."""
        house: dict[str, Any] = json.loads((self.on(HOUSE) or [""])[-1] or "{}")
        return house

    def devices(self) -> dict[str, Any]:
        return {device["id"]: device for device in self.house().get("devices", ())}

    def on_publish(self, topic: str, payload: str, *, retain: bool) -> None:
        self.published.append((topic, payload, retain))
        if topic != f"{self.topic}/request/homeassistant":
            return
        self.requests.append(json.loads(payload))
        if self._replies:
            for frame in self._replies.popleft():
                self.hass.loop.call_soon(self.say, frame, len(self.requests) - 1)
        elif self.on_request:
            self.hass.loop.call_soon(self.on_request)

    def on_subscribe(self, topics: list[str]) -> None:
        for topic in set(topics) & set(self.retained):
            message = (self.hass, topic, self.retained[topic], 1, True)
            self.hass.loop.call_soon(async_fire_mqtt_message, *message)
