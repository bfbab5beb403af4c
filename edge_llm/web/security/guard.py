"""Stands before everything: refuses callers that may not ask, bounds what comes, and sets the headers."""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_llm.errors import RequestError
from edge_llm.event_log import EventLog, stack_of
from edge_llm.gateway.rate_limit import RateLimiter
from edge_llm.web.errors import Problem, refusal
from edge_llm.web.security.hosts import Hosts, is_same_origin
from edge_llm.web.security.login import Login

log = EventLog(__name__)

MAX_BODY_BYTES = 2**20
"""A node takes no request that is larger."""
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_OPEN = frozenset({"/", "/favicon.ico", "/favicon.svg", "/healthz", "/whoami", "/login", "/logout"})
"""Paths that need no token: the page itself, which asks for it, and whether the node is there."""
_COSTLY = frozenset({"/chat", "/v1/chat/completions", "/api/chat"})
"""Paths whose rate is limited."""
_FAILURES_PER_MINUTE = 6.0
"""Logins, and wrong tokens, of one address; five at once."""


class Guard:
    """ASGI middleware; pure, for it must pass a caller's going away on to what answers."""

    def __init__(self, app: ASGIApp, hosts: Hosts, login: Login, requests_per_minute: float) -> None:
        """Let ``app`` answer what is allowed."""
        self._app = app
        self._hosts = hosts
        self._login = login
        self._rate = RateLimiter(requests_per_minute)
        self._failures = RateLimiter(_FAILURES_PER_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                _add_headers(message, path)
            await send(message)

        try:
            problem = self._problem(scope)
        except RequestError as error:
            problem = Problem.of(error)
        if problem is None:
            try:
                await self._app(scope, _bounded(receive), send_with_headers)
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller hears of it
                # Here, for the message of the error may quote a prompt: it is not for a log.
                log.error("web.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - see above
                problem = Problem.of_status(500, "this failed: the log of edge-llm web says where")
        if problem and not begun:
            await refusal(path, problem)(scope, receive, send_with_headers)

    def _problem(self, scope: Scope) -> Problem | None:
        """Say why a request is refused; None if it is not.

        Raises:
            RequestError: too_large or rate_limited.
        """
        headers, path = Headers(scope=scope), scope["path"]
        host = ",".join(headers.getlist("host"))  # of two, neither counts
        if not self._hosts.allows(host):
            return Problem.of_status(403, "not a name of this server: add it to web.hosts if it is")
        origin = headers.get("origin")
        if origin is not None and not is_same_origin(origin, host):
            return Problem.of_status(403, "pages of other servers may not ask this one")
        _refuse_too_large(headers.get("content-length", "0"))
        address = scope["client"][0] if scope["client"] else ""
        if path == "/login":
            self._failures.take(address)
        elif not _is_open(path) and not self._login.allows(
            headers.get("authorization"), headers.get("cookie")
        ):
            if "authorization" in headers:
                self._failures.take(address)
            return Problem.of_status(401, "the token is missing or wrong: it is in web.token_file")
        if path in _COSTLY:
            self._rate.take(address)
        return None


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith("/assets/")


def _refuse_too_large(length: str) -> None:
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise RequestError("too_large", f"a body may have {MAX_BODY_BYTES} bytes")


def _bounded(receive: Receive) -> Receive:
    """Count what comes: a body in chunks has no length."""
    size = 0

    async def receive_bounded() -> MutableMapping[str, Any]:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        _refuse_too_large(str(size))
        return message

    return receive_bounded


def _add_headers(message: Message, path: str) -> None:
    headers = MutableHeaders(scope=message)
    headers.update(_HEADERS)
    # Built files have the hash of their content in their names.
    keeps = path.startswith("/assets/") and message["status"] == HTTPStatus.OK
    headers["cache-control"] = "public, max-age=31536000, immutable" if keeps else "no-store"
