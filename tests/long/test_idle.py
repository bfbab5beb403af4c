"""What a node takes while nobody asks it anything."""

import time

import psutil

from edge_llm.config import TelemetrySettings
from tests.conversation import Conversation, Hub
from tests.processes import Nodes


def test_an_idle_node_uses_less_than_a_hundredth_of_a_core(node: Nodes, hub: Hub) -> None:
    """With the model loaded, warm from a reply, and connected."""
    service = node()
    assert Conversation(hub, "panel").ask(text="Say hello.", max_tokens=3)[-1]["type"] == "done"
    time.sleep(0.5)
    process = psutil.Process(service.process.pid)
    before, begun = process.cpu_times(), time.monotonic()
    time.sleep(TelemetrySettings().period_s)  # one snapshot's work in it, wherever it begins
    after, elapsed_s = process.cpu_times(), time.monotonic() - begun
    assert after.user + after.system - before.user - before.system < 0.01 * elapsed_s
