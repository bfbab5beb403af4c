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
    """The endpoints. A node has one model, which answers unless the documents service is named."""
    router = APIRouter(prefix="/v1")

    @router.get("/models")
    async def models() -> JSONResponse:
        info = feed.known_info()
        names = [info.model, *([feed.documents] if feed.has_documents else [])]
        return JSONResponse({"object": "list", "data": [_model(info, name) for name in names]})

    @router.get("/models/{name:path}")
    async def model(name: str) -> JSONResponse:
        info = feed.known_info()
        return JSONResponse(_model(info, name if feed.is_documents(name) else info.model))

    @router.post("/chat/completions")
    async def chat_completions(request: Request) -> Response:
        asked = await read(request, Completion)
        info = feed.known_info()
        documents = feed.is_documents(asked.model)
        model = feed.documents if documents else info.model
        reply = replies.ask(documents=documents, **asked.fields(info.limits.context_tokens))
        if not asked.stream:
            return JSONResponse(completion(await attended(request, reply, reply.done()), model))
        first = await attended(request, reply, reply.begun())
        return ReplyResponse(reply, chunks(reply, first, model, usage=asked.includes_usage), EVENTS)

    return router


def _model(info: Info, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 0,  # nobody has noted it
        "owned_by": "edge_llm",
        "meta": {"n_ctx": info.limits.context_tokens, "quantization": info.quantization},
    }
