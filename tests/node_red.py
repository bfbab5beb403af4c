"""Runs the Node-RED flow that is shipped, in a real Node-RED; see scripts/test-hubs.

    python -m tests.node_red NODE_RED_COMMAND

Injects what the flow's buttons inject, by Node-RED's admin API, and reads what its debug nodes print.
"""

import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from edge_llm.cli.bundles import cached_bundle
from edge_llm.demo import NODE, free_port, process, running_demo

FLOW = Path(__file__).parents[1] / "config/node-red/flow.json"
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
        print(f"\n--- {button}")
        self._from = len(self._text())
        url = f"http://127.0.0.1:{self._port}/inject/edge_llm_{button}"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10).close()

    def wait(self, what: str, timeout_s: float = 120.0) -> str:
        """What was printed since the last button, as soon as ``what`` is in it."""
        until = monotonic() + timeout_s
        while monotonic() < until:
            text = self._text()[self._from :]
            if re.search(what, text):
                return text
            sleep(0.05)
        raise SystemExit(f"test-hubs: {what!r} did not come within {timeout_s} s:\n{self._text()}")

    def _text(self) -> str:
        return _ANSI.sub("", self._log.read_text(encoding="utf-8", errors="replace"))


@contextmanager
def running(command: str, broker_port: int, directory: Path) -> Iterator[NodeRed]:
    """The flow as shipped, but for the broker's port, the node's id, and debug nodes that print as well."""
    flow = FLOW.read_text(encoding="utf-8").replace("kitchen-pc", NODE).replace('"1883"', f'"{broker_port}"')
    flow = flow.replace('"localhost"', '"127.0.0.1"').replace('"console": false', '"console": true')
    (directory / "flow.json").write_text(flow, encoding="utf-8")
    port = free_port()
    settings = directory / "settings.js"
    settings.write_text(SETTINGS.format(port=port, directory=directory), encoding="utf-8")
    with process([command, "--settings", str(settings)], directory / "log") as child:
        node_red = NodeRed(port, directory / "log")
        version = re.search(r"Node-RED version: (\S+)", node_red.wait("Connected to broker"))
        assert version, "Node-RED says which version it is"
        print(f"Node-RED {version[1]}, pid {child.pid}, connected to the broker on port {broker_port}")
        yield node_red


def check(node_red: NodeRed) -> None:
    """Ask and read the whole reply; ask for a long one and cancel it.

    Raises:
        AssertionError: what came is not what the contract says.
    """
    node_red.press("ask")
    asked = node_red.wait(r"\[debug:done\][\s\S]*replayed")
    print(asked.strip())
    assert asked.count("[debug:delta]") > 1, "the reply is streamed"
    assert "prefill" in asked
    assert "finish_reason: 'stop'" in asked

    node_red.press("story")
    node_red.wait(r"\[debug:delta\]")
    print(node_red.wait(r"\[debug:delta\]").strip())
    node_red.press("cancel")
    cancelled = node_red.wait(r"\[debug:done\][\s\S]*replayed")
    print(cancelled.strip())
    assert "finish_reason: 'cancelled'" in cancelled


def main(command: str) -> None:
    """Start all of it, check, and end all of it."""
    bundle = cached_bundle("demo", "int8")
    with tempfile.TemporaryDirectory(prefix="edge_llm-hubs-") as work:
        directory = Path(work)
        with running_demo(bundle.path) as (mqtt, _), running(command, mqtt.port, directory) as node_red:
            check(node_red)
    print("\ntest-hubs: asked, streamed and cancelled through Node-RED")


if __name__ == "__main__":
    main(sys.argv[1])
