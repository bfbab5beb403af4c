"""One small tree of errors. Every error has a stable code, and its text says what to do."""


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


class ContextOverflowError(EdgeLlmError):
    """The prompt and the reply asked for do not fit the context; nothing is ever truncated."""

    code = "context_overflow"


class RequestError(EdgeLlmError):
    """A request that is refused; ``code`` is one of the contract's error codes."""

    def __init__(self, code: str, message: str, *, retry_after_ms: int | None = None) -> None:
        """Refuse with ``code``; ``retry_after_ms`` is given where trying again can help."""
        super().__init__(message)
        self.code = code
        self.retry_after_ms = retry_after_ms
