"""The Node-RED flow that is shipped, in a real Node-RED.

Injects what the flow's buttons inject, by Node-RED's admin API, and reads what its debug nodes print.
"""

import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_llm.demo.processes import free_port, process
from tests.common import NODE, eventually
from tests.processes import Broker, Nodes

COMMAND = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "edge_llm/node-red-4/node_modules/.bin/node-red"
)
"""Put there by scripts/test-hubs and scripts/test-all."""
FLOW = Path(__file__).parents[2] / "config/node-red/flow.json"
SETTINGS = (
    "module.exports = {{uiPort: {port}, uiHost: '127.0.0.1', flowFile: 'flow.json', userDir: '{directory}'}};"
)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NodeRed:
    """A Node-RED that runs, by the text of its log."""

    def __init__(self, port: int, log: Path) -> None:
        self._port = port
        self._log = log
        self._from = 0

    def press(self, button: str) -> None:
        """Do what the inject node's button does."""
        self._from = len(self._text())
        url = f"http://127.0.0.1:{self._port}/inject/edge_llm_{button}"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10).close()

    def wait(self, what: str) -> str:
        """What was printed since the last button, as soon as ``what`` is in it."""
        eventually(lambda: re.search(what, self._text()[self._from :]), 120)
        return self._text()[self._from :]

    def _text(self) -> str:
        return _ANSI.sub("", self._log.read_text(encoding="utf-8", errors="replace"))


@contextmanager
def running(broker_port: int, directory: Path) -> Iterator[NodeRed]:
    """The flow as shipped, but for the broker's port, and debug nodes that print as well."""
    flow = FLOW.read_text(encoding="utf-8").replace('"1883"', f'"{broker_port}"')
    flow = flow.replace('"localhost"', '"127.0.0.1"').replace('"console": false', '"console": true')
    (directory / "flow.json").write_text(flow, encoding="utf-8")
    port = free_port()
    settings = directory / "settings.js"
    settings.write_text(SETTINGS.format(port=port, directory=directory), encoding="utf-8")
    with process([str(COMMAND), "--settings", str(settings)], directory / "log"):
        node_red = NodeRed(port, directory / "log")
        node_red.wait("Connected to broker")
        yield node_red


@pytest.fixture
def node_red(broker: Broker, node: Nodes, tmp_path: Path) -> Iterator[NodeRed]:
    assert COMMAND.exists(), "scripts/test-hubs installs Node-RED"
    assert NODE in FLOW.read_text(encoding="utf-8")
    node()
    with running(broker.port, tmp_path) as node_red:
        yield node_red


def test_a_reply_is_streamed_and_a_long_one_cancelled(node_red: NodeRed) -> None:
    node_red.press("ask")
    asked = node_red.wait(r"\[debug:done\][\s\S]*replayed")
    assert asked.count("[debug:delta]") > 1
    assert "prefill" in asked
    assert "finish_reason: 'stop'" in asked

    node_red.press("story")
    node_red.wait(r"\[debug:delta\]")
    node_red.press("cancel")
    assert "finish_reason: 'cancelled'" in node_red.wait(r"\[debug:done\][\s\S]*replayed")
