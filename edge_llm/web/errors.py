"""Problems as HTTP has them: the status of each code, and the body in the shape of the API that was asked."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

from edge_llm.errors import RETRYABLE, Code, RequestError

OPENAI, OLLAMA = "/v1", "/api"
"""Prefixes of the paths of the two APIs."""
_STATUS: dict[Code, HTTPStatus] = {
    "bad_request": HTTPStatus.BAD_REQUEST,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "expired": HTTPStatus.GATEWAY_TIMEOUT,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "id_conflict": HTTPStatus.CONFLICT,
    "context_overflow": HTTPStatus.BAD_REQUEST,
    "timeout": HTTPStatus.GATEWAY_TIMEOUT,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "unsupported_version": HTTPStatus.BAD_GATEWAY,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}
_RETRY_AFTER_MS = 2000
"""Where the node names no time."""


@dataclass(frozen=True)
class Problem:
    """Why a request is not answered."""

    status: HTTPStatus
    code: str
    message: str
    retry_after_ms: int | None = None
    """Set where the same request may be answered later."""

    @classmethod
    def of(cls, error: RequestError) -> "Problem":
        """The problem that a request of a node ended in."""
        after_ms = error.retry_after_ms or _RETRY_AFTER_MS if error.code in RETRYABLE else None
        return cls(_STATUS[error.code], error.code, str(error), after_ms)

    @classmethod
    def of_status(cls, status: int, message: str | None = None) -> "Problem":
        """The problem that a status of HTTP alone tells."""
        known = HTTPStatus(status)
        return cls(known, known.name.lower(), message or known.phrase)


def openai_body(problem: Problem) -> dict[str, Any]:
    """The body of OpenAI's errors; a prompt that is too long has OpenAI's own code: clients look for it."""
    kinds = {
        HTTPStatus.UNAUTHORIZED: "authentication_error",
        HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    }
    kind = "server_error" if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    code = "context_length_exceeded" if problem.code == "context_overflow" else problem.code
    message = {
        "message": problem.message,
        "type": kinds.get(problem.status, kind),
        "param": None,
        "code": code,
    }
    return {"error": message}


def ollama_body(problem: Problem) -> dict[str, Any]:
    """The body of Ollama's errors."""
    return {"error": problem.message, "code": problem.code}


def page_body(problem: Problem) -> dict[str, Any]:
    """The body for the page: as a node's error frame."""
    after = {} if problem.retry_after_ms is None else {"retry_after_ms": problem.retry_after_ms}
    told = {"type": "error", "code": problem.code, "message": problem.message}
    return {**told, "retryable": bool(after), **after}


_BODIES: Mapping[str, Callable[[Problem], dict[str, Any]]] = {OPENAI: openai_body, OLLAMA: ollama_body}


def refusal(path: str, problem: Problem) -> Response:
    """The response to a request of ``path``; ``x-should-retry`` is what OpenAI's clients obey."""
    headers = {"x-should-retry": "false"}
    if problem.retry_after_ms is not None:
        headers = {"x-should-retry": "true", "retry-after": str(math.ceil(problem.retry_after_ms / 1000))}
    if problem.status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    body = _BODIES.get("/" + path.split("/")[1] if path.count("/") > 1 else "", page_body)
    return JSONResponse(body(problem), problem.status, headers)
