"""Reports the service's state to systemd: the protocol of sd_notify(3), to the socket of ``NOTIFY_SOCKET``.

Without that variable nobody listens, and nothing happens.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

_STATUS_EVERY_S = 5.0


def notify(*assignments: str) -> None:
    """Send assignments, for example ``READY=1``; one that cannot be sent is dropped: systemd has timeouts."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto("\n".join(assignments).encode(), address)


def state_directory() -> Path | None:
    """The directory that the unit gives the service for its state (StateDirectory); None without one."""
    first = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(first) if first else None


def watchdog_s() -> float | None:
    """Seconds without a WATCHDOG=1 after which systemd ends this process; None where it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):  # it means a parent of ours
        return None
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    return microseconds / 1e6 if microseconds else None


class Supervision:
    """The thread ``watchdog``: reports status and progress to systemd until it is stopped."""

    def __init__(self, progress: Callable[[], int | None], status: Callable[[], str]) -> None:
        """``progress`` counts steps: None when idle, constant when work is stuck; ``status`` is for people.

        Looking four times within the watchdog's time finds work that takes up to three quarters of it
        getting on, and work that takes five quarters stuck.
        """
        self._progress = progress
        self._status = status
        self._watchdog_s = watchdog_s()
        self._period_s = self._watchdog_s / 4 if self._watchdog_s else _STATUS_EVERY_S
        self._before: int | None = None
        self._said = ""
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="watchdog")

    def start(self) -> bool:
        """Start the thread and return True; return False without one where systemd does not listen."""
        listening = "NOTIFY_SOCKET" in os.environ
        if listening:
            self._thread.start()
        return listening

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        self.report()
        while not self._stopping.wait(self._period_s):
            self.report()

    def report(self) -> None:
        """Send the status if it has changed, and feed the watchdog unless work is stuck."""
        now, status = self._progress(), self._status()
        lines = []
        if status != self._said:
            lines.append(f"STATUS={status}")
        if self._watchdog_s and (now is None or now != self._before):
            lines.append("WATCHDOG=1")
        self._before, self._said = now, status
        if lines:
            notify(*lines)
