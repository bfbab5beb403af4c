"""Notices that a thread has ended, and ends the process: a service that lacks a part must not seem well.

systemd, or whatever else looks after the process, starts it again.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import NoReturn

from edge_llm.event_log import EventLog, stack_of

log = EventLog(__name__)

LOOK_EVERY_S = 5.0
"""Seconds between two looks at the threads."""
_EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h."""


def end_process(thread: str) -> NoReturn:
    """End the process at once, without waiting for threads that may hang; the broker sends the last will."""
    log.critical("service.died", thread=thread, exit_code=_EXIT_CODE)
    logging.shutdown()
    os._exit(_EXIT_CODE)


class ThreadWatch:
    """Threads that run for as long as the process does, by name."""

    def __init__(self, on_death: Callable[[str], object] = end_process) -> None:
        """Call ``on_death`` with the name of a thread that has ended, once for each."""
        self._on_death = on_death
        self._threads: dict[str, threading.Thread | None] = {}
        self._hook = threading.excepthook

    def start(self) -> None:
        """Notice from now on the end of any thread by an error, at once."""
        threading.excepthook = self._on_error

    def watch(self, names: Iterable[str]) -> None:
        """Have ``look`` notice the end of these threads, which run now, for whatever reason they end."""
        running = {thread.name: thread for thread in threading.enumerate()}
        self._threads = {name: running.get(name) for name in names}

    def look(self) -> None:
        """Report each thread that has ended without an error."""
        for name, thread in list(self._threads.items()):
            if thread is None or not thread.is_alive():
                del self._threads[name]
                log.error("thread.ended", thread=name)
                self._on_death(name)

    def stop(self) -> None:
        """Let threads end from now on; an error still counts."""
        self._threads.clear()

    def close(self) -> None:
        """Notice nothing more."""
        self.stop()
        threading.excepthook = self._hook

    def _on_error(self, error: threading.ExceptHookArgs) -> None:
        name = error.thread.name if error.thread else "unknown"
        stack = stack_of(error.exc_value) if error.exc_value else ""
        # Without the error's message, which may quote a prompt.
        log.critical("thread.failed", thread=name, error=error.exc_type.__name__, stack=stack)
        self._threads.pop(name, None)
        self._on_death(name)
