"""`GET /live`: the node and its house as server-sent events, for as long as a page is open."""

import asyncio
import json
from collections.abc import AsyncIterator
from time import monotonic

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from edge_llm.errors import RequestError
from edge_llm.web.events import EVENTS, event
from edge_llm.web.live.changes import Changes
from edge_llm.web.live.house import HouseView
from edge_llm.web.live.node_feed import NodeFeed

_SILENCE_S = 15.0
"""Seconds after which a comment says that the connection is alive."""
_HOUSE_EVERY_S = 0.5
_MOST = 32
"""Maximum number of pages that are open."""


class Live:
    """What all pages are shown."""

    def __init__(self, feed: NodeFeed, house: HouseView, changes: Changes) -> None:
        """Show these, each time that ``changes`` tells of something new."""
        self._feed = feed
        self._house = house
        self._changes = changes
        self._open = 0
        self._house_event = (-1, b"")
        self._stopping = False

    def stop(self) -> None:
        """End all streams."""
        self._stopping = True
        self._changes.notify()

    def routes(self) -> APIRouter:
        """The endpoint."""
        router = APIRouter()

        @router.get("/live")
        async def live() -> StreamingResponse:
            if self._open >= _MOST:
                raise RequestError("busy", f"{_MOST} pages are open")
            return StreamingResponse(self.events(), media_type=EVENTS)

        return router

    async def events(self) -> AsyncIterator[bytes]:
        """Yield everything at once, then what changes; the house at most twice a second."""
        self._open += 1
        try:
            with self._changes.watch() as changed:
                seen: dict[str, object] = {}
                house_at = 0.0
                while not self._stopping:
                    changed.clear()
                    for chunk in self._news(seen):
                        yield chunk
                    wait_s = _SILENCE_S
                    if seen.get("house") != self._house.version:
                        wait_s = house_at + _HOUSE_EVERY_S - monotonic()
                        if wait_s <= 0:
                            house_at, wait_s = monotonic(), _SILENCE_S
                            version, chunk = self._house_now()
                            seen["house"] = version
                            yield chunk
                    try:
                        await asyncio.wait_for(changed.wait(), wait_s)
                    except TimeoutError:
                        if wait_s == _SILENCE_S:
                            yield b": alive\n\n"
        finally:
            self._open -= 1

    def _news(self, seen: dict[str, object]) -> list[bytes]:
        feed, chunks = self._feed, []
        if seen.get("state") != feed.state:
            seen["state"] = feed.state
            chunks.append(event("state", json.dumps({"state": feed.state}).encode()))
        if seen.get("documents") is not feed.has_documents:
            seen["documents"] = feed.has_documents
            state = "online" if feed.has_documents else "offline"
            chunks.append(event("documents", json.dumps({"state": state}).encode()))
        for name, record in (("info", feed.info), ("telemetry", feed.telemetry)):
            if record is not None and seen.get(name) is not record:
                seen[name] = record
                chunks.append(event(name, record.encode()))
        return chunks

    def _house_now(self) -> tuple[int, bytes]:
        """The event of the house, made once for all pages."""
        if self._house_event[0] != self._house.version:
            version = self._house.version
            text = json.dumps(self._house.shown(), ensure_ascii=False)
            self._house_event = version, event("house", text.encode())
        return self._house_event
