"""Runs the service as a process: signals, systemd, and the order of its start and its stop."""

import faulthandler
import signal

from edge_llm.bundle import read_manifest
from edge_llm.config import Settings
from edge_llm.engine.onnx.loading import LoadingModel
from edge_llm.host import systemd
from edge_llm.host.memory import share_heap
from edge_llm.host.signals import abort, end_at_signals, run_until_signal
from edge_llm.host.thread_watch import ThreadWatch


def serve(settings: Settings) -> None:
    """Run the service until SIGTERM, SIGINT or SIGHUP (but under nohup), then finish the replies in progress.

    One of these while the model is loaded, and a second one, ends the process at once: the broker keeps what
    is not answered.

    Raises:
        EdgeLlmError: the bundle or the configuration cannot be used; nothing was started.
    """
    share_heap()
    faulthandler.enable()
    signal.signal(signal.SIGABRT, abort)
    end_at_signals()
    systemd.notify("STATUS=loading the model")
    watch = ThreadWatch()
    watch.start()
    model = LoadingModel(read_manifest(settings.engine.bundle), settings.engine)
    from edge_llm.node.service import Service  # noqa: PLC0415 - while the model is loading

    service = Service(settings, model)
    run_until_signal(watch, service.start, watch.look, service.stop)
