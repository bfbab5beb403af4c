"""`POST /chat` and `/forget`: the page's conversation, frame by frame as the node sends it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from edge_llm.client import RequestError
from edge_llm.client.asynchronous import Reply
from edge_llm.contract.frames import Error
from edge_llm.errors import RETRYABLE
from edge_llm.web.bodies import Lenient, read
from edge_llm.web.clients import Clients
from edge_llm.web.events import EVENTS, event
from edge_llm.web.live.node_feed import NodeFeed
from edge_llm.web.replies import Replies, ReplyResponse


class Said(Lenient):
    """What somebody says, in a conversation that the node remembers."""

    text: str
    session: str | None = None
    act: Literal["auto", "required"] | None = None
    area: str | None = None
    max_tokens: int | None = None
    documents: bool = False
    """Answer from the household's papers; such a conversation is another one than without."""


class Forgotten(Lenient):
    """A conversation to forget."""

    session: str


def routes(clients: Clients, replies: Replies, feed: NodeFeed) -> APIRouter:
    """The endpoints."""
    router = APIRouter()

    @router.post("/chat")
    async def chat(request: Request) -> ReplyResponse:
        said = await read(request, Said)
        reply = replies.ask(
            documents=said.documents,
            text=said.text,
            session=said.session,
            act=said.act,
            context_area=said.area if said.act else None,
            max_tokens=said.max_tokens,
        )
        node = feed.documents if said.documents else feed.node
        return ReplyResponse(reply, _events(reply, node, said.session), EVENTS)

    @router.post("/forget")
    async def forget(request: Request) -> Response:
        session = (await read(request, Forgotten)).session
        await asyncio.to_thread(clients.forget, session)
        return Response(status_code=204)

    return router


async def _events(reply: Reply, node: str, session: str | None) -> AsyncIterator[bytes]:
    """The reply's frames; ``node`` is named in an error that it has not sent itself."""
    last_seq = -1
    try:
        async for frame in reply:
            last_seq = frame.seq
            yield event(frame.type, frame.encode())
    except RequestError as error:
        yield event(
            "error",
            Error(
                id=reply.id,
                node=node,
                seq=last_seq + 1,
                session=session,
                code=error.code,
                message=str(error),
                retryable=error.code in RETRYABLE,
                retry_after_ms=error.retry_after_ms,
            ).encode(),
        )
