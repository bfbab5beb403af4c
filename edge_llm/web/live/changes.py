"""Wakes coroutines when something changes on a thread."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock


class Changes:
    """Wakes those who watch; for any thread."""

    def __init__(self) -> None:
        """Nobody watches yet."""
        self._watching: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = Lock()

    def notify(self) -> None:
        """Set the event of each who watches."""
        with self._lock:
            watching = tuple(self._watching.items())
        for event, loop in watching:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """An event that each change sets; whoever waits clears it."""
        event = asyncio.Event()
        with self._lock:
            self._watching[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            with self._lock:
                del self._watching[event]
