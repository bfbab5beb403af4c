"""`/healthz`, `/whoami`, `/login` and `/logout`: what the page asks before anything else."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge_llm.web.bodies import Lenient, read
from edge_llm.web.errors import Problem, refusal
from edge_llm.web.live.node_feed import NodeFeed
from edge_llm.web.security.login import Login


class Shown(Lenient):
    """A token that somebody shows."""

    token: str


def routes(login: Login, feed: NodeFeed) -> APIRouter:
    """The endpoints; none of them needs a token."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        online = feed.state == "online"
        status = HTTPStatus.OK if online else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"state": feed.state, "node": feed.node}, status)

    @router.get("/whoami")
    async def whoami(request: Request) -> dict[str, Any]:
        headers = request.headers
        known = login.allows(headers.get("authorization"), headers.get("cookie"))
        return {"login_needed": not known, "node": feed.node}

    @router.post("/login")
    async def enter(request: Request) -> Response:
        shown = await read(request, Shown)
        if login.needed and not login.is_token(shown.token):
            return refusal("/login", Problem.of_status(401, "this is not the token"))
        return _with_cookie(login.set_cookie(secure=_is_secure(request)))

    @router.post("/logout")
    async def leave(request: Request) -> Response:
        return _with_cookie(login.clear_cookie(secure=_is_secure(request)))

    return router


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _with_cookie(cookie: str) -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={"set-cookie": cookie})
