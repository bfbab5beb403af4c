"""The application: joins the page, its endpoints and the two APIs, behind the guard."""

from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from edge_llm.client import RequestError
from edge_llm.config import WebSettings
from edge_llm.web import account, chat
from edge_llm.web.clients import Clients
from edge_llm.web.errors import Problem, refusal
from edge_llm.web.live.node_feed import NodeFeed
from edge_llm.web.live.stream import Live
from edge_llm.web.ollama import routes as ollama
from edge_llm.web.openai import routes as openai
from edge_llm.web.replies import Replies
from edge_llm.web.security.guard import Guard
from edge_llm.web.security.hosts import Hosts
from edge_llm.web.security.login import Login

STATIC = Path(__file__).parent / "static"
"""The built page; a checkout has none before scripts/web has built it."""


def make_app(
    settings: WebSettings, clients: Clients, replies: Replies, feed: NodeFeed, live: Live
) -> FastAPI:
    """Make the application.

    Raises:
        ConfigError: the token cannot be used.
    """
    login = Login(settings.token())
    app = FastAPI(openapi_url=None, redirect_slashes=False)  # its documentation would load from elsewhere
    app.add_middleware(
        Guard, hosts=Hosts(settings.hosts), login=login, requests_per_minute=settings.requests_per_minute
    )
    app.include_router(account.routes(login, feed))
    app.include_router(chat.routes(clients, replies, feed))
    app.include_router(live.routes())
    app.include_router(openai.routes(feed, replies))
    app.include_router(ollama.routes(feed, replies))
    _answer_errors(app)
    _add_page(app)
    return app


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        return refusal(request.url.path, Problem.of(error))

    @app.exception_handler(HTTPException)
    async def no_such_thing(request: Request, error: HTTPException) -> Response:
        return refusal(request.url.path, Problem.of_status(error.status_code))

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=HTTPStatus.NO_CONTENT)  # nobody reads it


def _add_page(app: FastAPI) -> None:
    if (STATIC / "index.html").is_file():
        app.mount("/", StaticFiles(directory=STATIC, html=True))
        return

    @app.get("/")
    async def no_page() -> PlainTextResponse:
        return PlainTextResponse("The page is not built: scripts/web builds it. The API works.\n", 404)
