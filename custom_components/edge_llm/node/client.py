"""A node, as Home Assistant sees it through its own MQTT client."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.dispatcher import async_dispatcher_send

from ..const import DOMAIN
from .wire import ONLINE, Done, Failure, Frame, Progress, Request, Topics, read_frame, read_info

TTL_S = 10.0
"""Seconds after which a request is not begun any more: who speaks does not wait longer."""
_FIRST_FRAME_S = TTL_S + 5
"""Seconds without a frame after which a request, or its reply, is lost."""
_NEXT_FRAME_S = 120.0

Queue = asyncio.Queue[Frame | None]
"""Frames of a reply; None once the node has gone away."""


class NodeError(Exception):
    """A request has no whole reply; ``reason`` is the key of what is said of it."""

    def __init__(self, reason: str) -> None:
        """Say why by the key of a translation."""
        super().__init__(reason)
        self.reason = reason


class Node:
    """Asks a node, and knows whether it is there."""

    def __init__(self, hass: HomeAssistant, topics: Topics) -> None:
        """Know nothing yet; see ``async_start``."""
        self.topics = topics
        self.online = False
        self.info: dict[str, Any] = {}
        self.signal = f"{DOMAIN}_{topics.base}_{topics.node}"
        """Signal of the dispatcher: ``online`` or ``info`` is another now."""
        self._hass = hass
        self._waiting: dict[str, Queue] = {}
        self._unsubscribe: list[Callable[[], None]] = []

    async def async_start(self) -> None:
        """Subscribe to what the node says."""
        for topic, on_message in (
            (self.topics.stream, self._on_frame),
            (self.topics.info, self._on_info),
            (self.topics.state, self._on_state),
        ):
            self._unsubscribe.append(await mqtt.async_subscribe(self._hass, topic, on_message, qos=1))

    @callback
    def async_stop(self) -> None:
        """Unsubscribe; requests in progress end as with a node that has gone away."""
        while self._unsubscribe:
            self._unsubscribe.pop()()
        self._set_online(False)

    def is_reachable(self) -> bool:
        """Whether a request would get there."""
        return self.online and mqtt.is_connected(self._hass)

    async def async_ask(self, request: Request) -> AsyncGenerator[Frame]:
        """Ask, and hand out the frames of the reply, ``Done`` last; the request is cancelled if it is left.

        Raises:
            NodeError: there is no whole reply.
        """
        if not self.is_reachable():
            raise NodeError("node_away")
        queue: Queue = asyncio.Queue()
        self._waiting[request.id] = queue
        until = self._hass.loop.time() + TTL_S
        timeout_s = _FIRST_FRAME_S
        ended = False
        try:
            await self._send(request)
            while not ended:
                frame = await _next(queue, timeout_s)
                if isinstance(frame, Failure):
                    ended = True
                    wait_s = frame.retry_after_s
                    if wait_s is None or self._hass.loop.time() + wait_s > until:
                        raise NodeError(_REASONS.get(frame.code, "failed"))
                    await asyncio.sleep(wait_s)
                    ended = False
                    await self._send(request)
                    continue
                timeout_s = _NEXT_FRAME_S
                ended = isinstance(frame, Done)
                if not isinstance(frame, Progress):
                    yield frame
        finally:
            del self._waiting[request.id]
            if not ended and mqtt.is_connected(self._hass):  # one that is away finds it with the request
                self._cancel(request.id)

    async def _send(self, request: Request) -> None:
        try:
            await mqtt.async_publish(self._hass, self.topics.request, request.encode(ttl_s=TTL_S), qos=1)
        except HomeAssistantError as error:
            raise NodeError("node_away") from error

    async def async_prefill(self, request: Request) -> None:
        """Have the beginning of later requests computed, if the node is there."""
        if self.is_reachable():
            await self._async_try(self.topics.prefill, request.encode())

    def _cancel(self, request_id: str) -> None:
        """End a request that nobody waits for any more; not awaited, for its task may be cancelled itself."""
        self._hass.async_create_task(self._async_try(self.topics.cancel, request_id), "edge_llm cancel")

    async def _async_try(self, topic: str, payload: str) -> None:
        """Publish what can be done without."""
        with suppress(HomeAssistantError):
            await mqtt.async_publish(self._hass, topic, payload, qos=1)

    @callback
    def _on_frame(self, message: mqtt.ReceiveMessage) -> None:
        # Others ask in Home Assistant's name, too: the entities of MQTT discovery.
        if (read := read_frame(message.payload)) and read[0] in self._waiting:
            self._take(*read)

    @callback
    def _take(self, request_id: str, frame: Frame) -> None:
        """Hand on a frame of a reply that is waited for."""
        self._waiting[request_id].put_nowait(frame)

    @callback
    def _on_state(self, message: mqtt.ReceiveMessage) -> None:
        self._set_online(message.payload == ONLINE)

    @callback
    def _on_info(self, message: mqtt.ReceiveMessage) -> None:
        self.info = read_info(message.payload) or {}
        async_dispatcher_send(self._hass, self.signal)

    @callback
    def _set_online(self, online: bool) -> None:
        self.online = online
        if not online:
            self._give_up()
        async_dispatcher_send(self._hass, self.signal)

    @callback
    def _give_up(self) -> None:
        """End all requests in progress."""
        for queue in self._waiting.values():
            queue.put_nowait(None)


async def _next(queue: Queue, timeout_s: float) -> Frame:
    try:
        async with asyncio.timeout(timeout_s):
            frame = await queue.get()
    except TimeoutError as error:
        raise NodeError("slow") from error
    if frame is None:
        raise NodeError("node_away")
    return frame


_REASONS = {
    "busy": "busy",
    "rate_limited": "busy",
    "expired": "slow",
    "timeout": "slow",
    "unavailable": "node_away",
    "context_overflow": "too_long",
    "too_large": "too_long",
}
"""What is said of an error, by its code."""

EdgeLlmConfigEntry = ConfigEntry[Node]


async def async_find(hass: HomeAssistant, topics: Topics, timeout_s: float) -> dict[str, Any] | None:
    """The info of a node; None if the broker has none within ``timeout_s`` seconds."""
    found: asyncio.Future[dict[str, Any]] = hass.loop.create_future()

    @callback
    def on_info(message: mqtt.ReceiveMessage) -> None:
        if (info := read_info(message.payload)) and not found.done():
            found.set_result(info)

    unsubscribe: CALLBACK_TYPE = await mqtt.async_subscribe(hass, topics.info, on_info, qos=1)
    try:
        async with asyncio.timeout(timeout_s):
            return await found
    except TimeoutError:
        return None
    finally:
        unsubscribe()
