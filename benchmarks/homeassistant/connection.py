"""A websocket connection to Home Assistant that tells when something came."""

import json
import time
from collections.abc import Iterator
from typing import Any, Self

from websockets.sync.client import connect

from tests.homeassistant_process import HomeAssistant, access_token

_TIMEOUT_S = 600.0


class Socket:
    """One connection; a context manager that closes it."""

    def __init__(self, home_assistant: HomeAssistant) -> None:
        """Connect as the owner."""
        self._connection = connect(
            f"ws://127.0.0.1:{home_assistant.port}/api/websocket", max_size=None, ping_timeout=None
        )
        self._number = 0
        self._receive()
        self._connection.send(json.dumps({"type": "auth", "access_token": access_token()}))
        self._receive()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._connection.close()

    def send(self, kind: str, **fields: Any) -> int:
        """Send a command; returns its number."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "type": kind, **fields}))
        return self._number

    def messages(self, timeout_s: float = _TIMEOUT_S) -> Iterator[tuple[float, Any]]:
        """Yield messages with the monotonic time at which each came, until none comes in time."""
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0:
            try:
                message = self._receive(left)
            except TimeoutError:
                return
            yield time.monotonic(), message

    def _receive(self, timeout_s: float = _TIMEOUT_S) -> Any:
        return json.loads(self._connection.recv(timeout_s))
