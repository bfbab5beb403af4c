"""Logs events, one line each: a dotted name and fields, which never hold the text of prompts or replies."""

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import MutableMapping
from datetime import UTC, datetime
from time import monotonic
from traceback import format_tb
from typing import Any


class EventLog(logging.LoggerAdapter[logging.Logger]):
    """A module's log: ``log.info("request.accepted", client=client, id=request_id)``."""

    def __init__(self, module: str) -> None:
        """Log as ``module``, which is ``__name__``."""
        super().__init__(logging.getLogger(module))

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        """Write the fields behind the name, for every formatter, and keep them apart for JsonFormatter."""
        exc_info = kwargs.pop("exc_info", None)
        words = [msg, *(f"{name}={_word(value)}" for name, value in kwargs.items())]
        return " ".join(words), {"exc_info": exc_info, "extra": {"event": {"event": msg, **kwargs}}}


class RateLimitedLog:
    """A log of what may come in floods: a line a second of each event at most, with ``count`` of it since."""

    def __init__(self, log: EventLog) -> None:
        """Write to ``log``."""
        self._log = log
        self._counts: Counter[str] = Counter()
        self._logged: dict[str, float] = {}

    def info(self, event: str, **fields: Any) -> None:
        """Count an event, and write it if its second is over; not safe for several threads."""
        self._counts[event] += 1
        if monotonic() >= self._logged.get(event, 0.0) + 1:
            self._log.info(event, **fields, count=self._counts.pop(event))
            self._logged[event] = monotonic()


def stack_of(error: BaseException) -> str:
    """Format the traceback of an error without its message, which may quote a prompt."""
    return "".join(format_tb(error.__traceback__)).rstrip()


class JsonFormatter(logging.Formatter):
    """An object a line: ``time`` (UTC), ``level``, ``event`` and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower()}
        line |= getattr(record, "event", None) or {"event": record.getMessage()}  # another package's
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging() -> None:
    """Log to standard error: text on a terminal, JSON into a file or the journal."""
    handler = logging.StreamHandler(sys.stderr)
    if not sys.stderr.isatty():
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(message)s"
    )


def _word(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[^\s'\"]+", text) else repr(text)
