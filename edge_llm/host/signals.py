"""The signals that stop a service, and the one that aborts it; a service's life between them."""

import faulthandler
import os
import signal
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from types import FrameType

from edge_llm.event_log import EventLog, stack_of
from edge_llm.host import systemd
from edge_llm.host.thread_watch import LOOK_EVERY_S, ThreadWatch, end_process

log = EventLog(__name__)

_STOP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that stop the service; SIGHUP only if it is not ignored (nohup)."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return tuple(each for each in _STOP if not (each == signal.SIGHUP and ignored))


def abort(_number: int, _frame: FrameType | None) -> None:
    """Write each thread's stack to standard error, and abort: systemd's watchdog sends SIGABRT.

    Here, with the interpreter's lock: faulthandler's own handler reads the stacks of threads that go on.
    """
    faulthandler.dump_traceback()
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    os.abort()


def end_at_signals() -> None:
    for number in stop_signals():
        signal.signal(number, signal.SIG_DFL)


def catch_signals() -> SimpleQueue[int]:
    """Put the first stop signal that comes into a queue; a second one ends the process at once."""
    came: SimpleQueue[int] = SimpleQueue()  # a handler may not use an Event: it may interrupt its holder

    def on_signal(number: int, _frame: FrameType | None) -> None:
        end_at_signals()
        came.put(number)

    for number in stop_signals():
        signal.signal(number, on_signal)
    return came


def wait_for_signal(came: SimpleQueue[int], look: Callable[[], None]) -> signal.Signals:
    """Wait for the first stop signal; call ``look`` every LOOK_EVERY_S meanwhile."""
    while True:
        try:
            return signal.Signals(came.get(timeout=LOOK_EVERY_S))
        except Empty:
            look()


def run_until_signal(
    watch: ThreadWatch,
    start: Callable[[], Iterable[str]],
    look: Callable[[], None],
    stop: Callable[[], None],
) -> None:
    """Start a service and stop it at the first stop signal, or end the process where that fails.

    ``start`` returns the names of the threads that have to live; ``look`` is called now and then.
    """
    signals = catch_signals()  # before anything is answered: a stop in between must let it end
    try:
        watch.watch(start())
        systemd.notify("READY=1")
        log.info("service.stopping", signal=wait_for_signal(signals, look).name)
        watch.stop()
        systemd.notify("STOPPING=1", "STATUS=finishing the replies in progress")
        stop()
    except Exception as error:  # noqa: BLE001 - else its threads would go on without it
        log.critical("service.failed", error=type(error).__name__, stack=stack_of(error))
        end_process("main")
    watch.close()
