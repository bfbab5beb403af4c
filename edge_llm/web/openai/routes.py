"""`/v1/models` and `/v1/chat/completions`."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge_llm.contract.node import Info
from edge_llm.web.bodies import read
from edge_llm.web.events import EVENTS
from edge_llm.web.live.node_feed import NodeFeed
from edge_llm.web.openai.answers import chunks, completion
from edge_llm.web.openai.requests import Completion
from edge_llm.web.replies import Replies, ReplyResponse, attended


def routes(feed: NodeFeed, replies: Replies) -> APIRouter:
    """The endpoints. A node has one model: whatever model is asked for, that one answers."""
    router = APIRouter(prefix="/v1")

    @router.get("/models")
    async def models() -> JSONResponse:
        return JSONResponse({"object": "list", "data": [_model(feed.known_info())]})

    @router.get("/models/{name:path}")
    async def model(name: str) -> JSONResponse:
        del name
        return JSONResponse(_model(feed.known_info()))

    @router.post("/chat/completions")
    async def chat_completions(request: Request) -> Response:
        asked = await read(request, Completion)
        info = feed.known_info()
        reply = replies.ask(**asked.fields(info.limits.context_tokens))
        if not asked.stream:
            return JSONResponse(completion(await attended(request, reply, reply.done())))
        first = await attended(request, reply, reply.begun())
        return ReplyResponse(reply, chunks(reply, first, info.model, usage=asked.includes_usage), EVENTS)

    return router


def _model(info: Info) -> dict[str, Any]:
    return {
        "id": info.model,
        "object": "model",
        "created": 0,  # nobody has noted it
        "owned_by": "edge_llm",
        "meta": {"n_ctx": info.limits.context_tokens, "quantization": info.quantization},
    }
