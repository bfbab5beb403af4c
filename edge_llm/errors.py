"""One small tree of errors. Every error has a stable code, and its text says what to do."""

from typing import Literal

Code = Literal[
    "bad_request",
    "too_large",
    "expired",
    "busy",
    "rate_limited",
    "id_conflict",
    "context_overflow",
    "timeout",
    "unavailable",
    "unsupported_version",
    "internal",
]
"""Codes of requests that end in an error, as the MQTT contract has them."""
RETRYABLE = frozenset[Code]({"busy", "rate_limited", "unavailable"})
"""Codes of errors that may be gone when the same request is sent again."""


class EdgeLlmError(Exception):
    """Base of all errors that this package raises on purpose; ``code`` is stable, the text is for people."""

    code = "internal"
    exit_code = 1


class ConfigError(EdgeLlmError):
    """The configuration cannot be used (exit code 78, EX_CONFIG of sysexits.h)."""

    code = "config"
    exit_code = 78


class SourceError(EdgeLlmError):
    """A model source is missing, damaged or of a kind that cannot be prepared."""

    code = "source"


class BundleError(EdgeLlmError):
    """A bundle is missing, damaged, or made for another version."""

    code = "bundle"


class RequestError(EdgeLlmError):
    """A request that is refused."""

    def __init__(self, code: Code, message: str, *, retry_after_ms: int | None = None) -> None:
        """Refuse with ``code``; ``retry_after_ms`` is given where trying again can help."""
        super().__init__(message)
        self.code: Code = code
        self.retry_after_ms = retry_after_ms
