"""The application with a node that is a script, called without a network."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import httpx
from fastapi import FastAPI

from edge_llm.config import HouseSettings, MqttSettings, WebSettings
from edge_llm.contract.frames import AnyFrame, Done, Status
from edge_llm.contract.node import DocumentsInfo, Info, Limits, Papers, Pinning, RequestLimits
from edge_llm.contract.requests import Request
from edge_llm.contract.topics import ONLINE, Topics
from edge_llm.errors import RequestError
from edge_llm.mqtt.message import Message
from edge_llm.web.app import make_app
from edge_llm.web.clients import Clients
from edge_llm.web.live.changes import Changes
from edge_llm.web.live.house import HouseView
from edge_llm.web.live.node_feed import NodeFeed
from edge_llm.web.live.stream import Live
from edge_llm.web.replies import Replies
from tests.unit.client.scripted import HEADER, Script, client_of, delta, done

TOPICS = Topics("edge_llm", "n")
DOCUMENTS = Topics("edge_llm", "documents")
INFO = Info(
    version="1",
    node="n",
    protocol="5",
    model="Tiny 1B",
    architecture="llama",
    quantization="int8",
    bundle_hash="ab12",
    features=("tools", "json_schema", "act"),
    limits=Limits(request_bytes=65536, context_tokens=512, queue=4, requests_per_minute=60, ttl_s=60),
    pinning=Pinning(requested="auto", effective="0", mode="pinned"),
)
PAPERS = DocumentsInfo(
    version="1",
    node="documents",
    protocol="5",
    asks_node="n",
    limits=RequestLimits(request_bytes=65536, queue=4, requests_per_minute=60, ttl_s=60),
    papers=Papers(documents=1, passages=9),
)
SAID: Sequence[AnyFrame] = (
    Status(**HEADER, seq=0, state="queued"),
    delta(1, "Hel"),
    delta(2, "lo"),
    done("Hello"),
)
"""The frames of a reply."""


class Node(Script):
    """A script whose replies may end in an error, or wait for an event; remembers what was cancelled."""

    def __init__(self, *replies: Sequence[AnyFrame | RequestError | Event]) -> None:
        super().__init__(())
        self._replies = list(replies)  # type: ignore[arg-type] # more than a Script has
        self.cancelled: list[str] = []
        self.retries: list[bool] = []

    def cancel(self, request_id: str) -> None:
        self.cancelled.append(request_id)

    def frames(
        self, request: Any, topic: Callable[[], str], timeout_s: float, *, retry: bool = True, **_: Any
    ) -> Iterator[AnyFrame]:
        self.retries.append(retry)
        for each in super().frames(request, topic, timeout_s):
            if isinstance(each, Event):
                each.wait(60)
            elif isinstance(each, RequestError):
                raise each
            else:
                yield each

    @property
    def request(self) -> Request:
        """The last one."""
        last = self.asked[-1]
        assert isinstance(last, Request)
        return last


class Web:
    """All parts of the application; nothing of it is started."""

    def __init__(self, node: Node | None = None, *, known: bool = True, **settings: Any) -> None:
        self.node = node or Node(SAID)
        self.changes = Changes()
        self.house = HouseView(HouseSettings(), MqttSettings(), TOPICS, (), self.changes)
        self.feed = NodeFeed(MqttSettings(), TOPICS, DOCUMENTS, self.house, self.changes)
        self.feed.info = INFO if known else None
        self.live = Live(self.feed, self.house, self.changes)
        self.documents = Node(SAID)
        clients = Clients(client_of(self.node), client_of(self.documents), self.feed)
        self.replies = Replies(clients, 60)
        self.app: FastAPI = make_app(WebSettings(**settings), clients, self.replies, self.feed, self.live)

    def have_documents(self, state: bytes = ONLINE, info: bytes = PAPERS.encode()) -> None:
        """Hear this of a documents service, by a connection that is up."""
        self.feed._connection._ready.set()
        self.feed._on_documents_state(Message(DOCUMENTS.state, state))
        self.feed._on_documents_info(Message(DOCUMENTS.info, info))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.call("POST", path, json=body, **options)

    def call(
        self, method: str, path: str, *, base: str = "http://localhost:8088", **options: Any
    ) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, path, **options)

        return asyncio.run(asked())

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(asyncio.wait_for(what, 60))


def token_file(directory: Path, token: str) -> Path:
    path = directory / "token"
    path.write_text(f"{token}\n")
    return path


def ended(text: str, **fields: Any) -> Done:
    return done(text).model_copy(update=fields)
