"""A household's papers, and a real `edge-llm documents` that answers from them."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from edge_llm.contract.topics import ONLINE, Topics
from tests.common import NODE, eventually
from tests.conversation import Hub
from tests.processes import HasPort, clean_environment

DOCUMENTS = Topics("edge_llm", "documents")
PAPERS = {
    "dishwasher.md": "# Dishwasher\n\n## Error codes\n\nE15: there is water in the base. Close the tap.\n\n"
    "## Care\n\nRinse the filter under the tap once a month.\n",
    "heating.txt": "The heating circuit is filled to 1.5 bar. The valve is behind the boiler.\n",
}


class Papers:
    """The process, with a folder of its own; a context manager."""

    def __init__(self, broker: HasPort, directory: Path) -> None:
        self._port = broker.port
        self._log = directory / "log"
        folder = directory / "papers"
        folder.mkdir()
        for name, text in PAPERS.items():
            (folder / name).write_text(text)
        settings = {
            "MQTT__HOST": "127.0.0.1",
            "MQTT__PORT": broker.port,
            "NODE__ID": NODE,
            "DOCUMENTS__FOLDER": folder,
            "DOCUMENTS__FILE": directory / "index.sqlite",
        }
        self._environment = clean_environment() | {
            f"EDGE_LLM_{name}": str(value) for name, value in settings.items()
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "edge_llm.cli", "documents"]
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        hub = Hub(self._port, DOCUMENTS.state)
        eventually(lambda: hub.on(DOCUMENTS.state)[-1:] == [ONLINE])
        hub.close()

    def kill(self) -> None:
        """End it without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def pause(self) -> None:
        """Let it do nothing until it is killed."""
        self.process.send_signal(signal.SIGSTOP)
