"""Tells systemd how the service is: the protocol of sd_notify(3), to the socket that ``NOTIFY_SOCKET`` names.

Under anything else nobody listens, and nothing happens.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from time import sleep

_STATUS_EVERY_S = 5.0


def notify(*assignments: str) -> None:
    """Send such as ``READY=1``; what cannot be sent is dropped: systemd has its own timeouts."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto("\n".join(assignments).encode(), address)


def watchdog_s() -> float | None:
    """How long systemd waits for a WATCHDOG=1 before it ends this process; None where it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):  # it means a parent of ours
        return None
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    return microseconds / 1e6 if microseconds else None


class Supervision:
    """Reports to systemd by turns, from a thread of its own."""

    def __init__(self, progress: Callable[[], int | None], status: Callable[[], str]) -> None:
        """``progress`` varies while work gets on, and is None while there is none; ``status`` is for people.

        Looking four times within the watchdog's time finds work that takes up to three quarters of it
        getting on, and work that takes five quarters stuck.
        """
        self._progress = progress
        self._status = status
        self._watchdog_s = watchdog_s()
        self._period_s = self._watchdog_s / 4 if self._watchdog_s else _STATUS_EVERY_S
        self._before: int | None = None
        self._said = ""

    def run(self) -> None:
        """Report until the process ends; where nobody listens, not at all."""
        while "NOTIFY_SOCKET" in os.environ:
            self.report()
            sleep(self._period_s)

    def report(self) -> None:
        """Send the status if it is another, and feed the watchdog unless work has got stuck."""
        now, status = self._progress(), self._status()
        lines = []
        if status != self._said:
            lines.append(f"STATUS={status}")
        if self._watchdog_s and (now is None or now != self._before):
            lines.append("WATCHDOG=1")
        self._before, self._said = now, status
        if lines:
            notify(*lines)
