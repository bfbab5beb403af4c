"""Names and waits that all tests share."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from edge_llm.contract.topics import Topics

NODE = "kitchen-pc"
TOPICS = Topics("edge_llm", NODE)


def eventually(what: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Wait until ``what`` returns something true, and return that."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.01)
    pytest.fail(f"did not happen within {timeout_s} s: {what}")


def answers(port: int) -> bool:
    """Whether somebody listens on loopback."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
