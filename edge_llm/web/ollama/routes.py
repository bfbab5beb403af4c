"""`/api/version`, `/api/tags`, `/api/ps`, `/api/show` and `/api/chat`."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge_llm import __version__
from edge_llm.contract.node import Info
from edge_llm.web.bodies import read
from edge_llm.web.live.node_feed import NodeFeed
from edge_llm.web.ollama.answers import LINES, lines, loaded, whole
from edge_llm.web.ollama.requests import Chat
from edge_llm.web.replies import Replies, ReplyResponse, attended

_VERSION = "0.12.6"
"""The release of Ollama whose API this follows: clients compare it with what they need."""
_LATEST = ":latest"
_NEVER = "2318-01-01T00:00:00Z"
"""The model is not unloaded."""


def routes(feed: NodeFeed, replies: Replies) -> APIRouter:
    """The endpoints. A node has one model, which answers unless the documents service is named."""
    router = APIRouter(prefix="/api")
    since = datetime.now(UTC).isoformat().replace("+00:00", "Z")

    @router.get("/version")
    async def version() -> JSONResponse:
        return JSONResponse({"version": _VERSION, "edge_llm": __version__})

    @router.get("/tags")
    async def tags() -> JSONResponse:
        info = feed.known_info()
        names = [_name(info.model), *([_name(feed.documents)] if feed.has_documents else [])]
        return JSONResponse({"models": [_model(info, name) | {"modified_at": since} for name in names]})

    @router.get("/ps")
    async def ps() -> JSONResponse:
        info = feed.known_info()
        running = {"expires_at": _NEVER, "size_vram": 0, "context_length": info.limits.context_tokens}
        models = [_model(info, _name(info.model)) | running] if feed.state == "online" else []
        return JSONResponse({"models": models})

    @router.post("/show")
    async def show() -> JSONResponse:
        return JSONResponse(_described(feed.known_info(), since))

    @router.post("/chat")
    async def chat(request: Request) -> Response:
        asked = await read(request, Chat)
        info = feed.known_info()
        name = asked.model or _name(info.model)
        if not asked.messages:
            return JSONResponse(loaded(name))
        documents = feed.is_documents(name.removesuffix(_LATEST))
        reply = replies.ask(documents=documents, **asked.fields(info.limits.context_tokens))
        if not asked.streams:
            return JSONResponse(whole(await attended(request, reply, reply.done()), name))
        first = await attended(request, reply, reply.begun())
        return ReplyResponse(reply, lines(reply, first, name), LINES)

    return router


def _name(model: str) -> str:
    """The name of a model with a tag: clients add one where there is none, and look for that."""
    return model if ":" in model else model + _LATEST


def _details(info: Info) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "onnx",
        "family": info.architecture,
        "families": [info.architecture],
        "parameter_size": "",
        "quantization_level": info.quantization,
    }


def _model(info: Info, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "size": 0,  # the node does not say
        "digest": info.bundle_hash,
        "details": _details(info),
    }


def _described(info: Info, since: str) -> dict[str, Any]:
    calls = info.features is None or "tools" in info.features
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": _details(info),
        "model_info": {
            "general.architecture": info.architecture,
            f"{info.architecture}.context_length": info.limits.context_tokens,
        },
        "capabilities": ["completion", *(("tools",) if calls else ())],
        "modified_at": since,
    }
