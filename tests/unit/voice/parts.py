"""A Wyoming server whose node is a script, and a caller that is Wyoming's own client."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from wyoming.asr import Transcript
from wyoming.client import AsyncTcpClient
from wyoming.event import Event

from edge_llm.client import ToolCall
from edge_llm.config import MqttSettings
from edge_llm.contract.frames import Act, AnyFrame
from edge_llm.contract.node import HouseInfo
from edge_llm.voice.answering import Answering
from edge_llm.voice.asking import Asker
from edge_llm.voice.node_view import NodeView
from edge_llm.voice.server import Server
from edge_llm.voice.wire import MAX_LINE
from tests.unit.client.scripted import client_of, delta, done
from tests.unit.web.parts import INFO, TOPICS, Node

CALL = ToolCall(id="1", name="HassTurnOn", arguments={})
HOUSE = HouseInfo(devices=3, areas=2, sources=("s",), language="de", ready=True)


def acted(text: str, outcome: str = "done") -> list[AnyFrame]:
    """The frames of an act."""
    act = Act.model_validate({"outcome": outcome})
    return [delta(1, text), done(text, act=act)]


class Voice:
    """A server on a port of its own, and what it has asked."""

    def __init__(self, node: Node, *, house: HouseInfo | None = HOUSE, area: str | None = None) -> None:
        self.node = node
        self.view = NodeView(MqttSettings(), TOPICS)
        self.view._info = INFO.model_copy(update={"house": house})
        self.asker = Asker(client_of(node), 60)
        self.server = Server(Answering(self.asker, self.view, area, 50), self.view)
        self.port = 0

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[AsyncTcpClient]:
        async with AsyncTcpClient("127.0.0.1", self.port) as client:
            yield client

    async def ask(self, text: str, **fields: Any) -> list[Event]:
        """What a caller hears who says one thing, by a connection of its own."""
        async with self.caller() as caller:
            return await say(caller, text, **fields)

    def run(self, scene: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Play a scene while the server listens."""

        async def played() -> Any:
            listener = await asyncio.start_server(self.server.attend, "127.0.0.1", 0, limit=MAX_LINE)
            self.port = listener.sockets[0].getsockname()[1]
            try:
                return await asyncio.wait_for(scene(), 60)
            finally:
                listener.close()
                await self.server.stop()

        return asyncio.run(played())


async def say(caller: AsyncTcpClient, text: str, **fields: Any) -> list[Event]:
    """Say something, and hear the whole answer."""
    await caller.write_event(Transcript(text, **fields).event())
    heard = [await hear(caller)]
    if heard[0].type == "handled-start":
        while heard[-1].type != "handled-stop":
            heard.append(await hear(caller))
    return heard


async def hear(caller: AsyncTcpClient) -> Event:
    event = await caller.read_event()
    assert event
    return event


async def until(what: Callable[[], Any]) -> None:
    while not what():  # noqa: ASYNC110 - a thread makes it true
        await asyncio.sleep(0.001)
