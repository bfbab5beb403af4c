"""A real broker, a real node, and a real Home Assistant whose agent asks it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge_llm.bundle import Bundle
from edge_llm.errors import EdgeLlmError
from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.homeassistant_process import FIXTURES, ROOT, HomeAssistant
from tests.hubs.agent import HOUSE, described, expose, found
from tests.processes import Broker, Service

FIXTURE_HOUSE = "fixture_house"
"""The integration of ours whose entities do as they are told."""
AGENT = r"conversation\.edge_llm.*"
_WAIT_S = 600.0
_NODE = {"house__confirm": "[]", "mqtt__requests_per_minute": 100_000.0}
"""Nothing is asked about before it is done, and nobody has to wait because of being too fast."""


@dataclass(frozen=True)
class Installation:
    """A Home Assistant, its agent, and what the broker has of the house."""

    home_assistant: HomeAssistant
    agent: str
    hub: Hub

    def expose_all(self, entities: Iterable[str]) -> None:
        """Expose entities to Assist that are not by themselves, such as locks."""
        expose(self.home_assistant, *entities)

    def wait_for_house(self, fits: Callable[[set[str]], bool]) -> None:
        """Wait until a house with such devices is published, and the node is ready for it."""
        wait(lambda: fits(set(described(self.hub))) and self._is_ready())

    def _is_ready(self) -> bool:
        """Whether the node has said so since the last house."""
        topics = [topic for topic, _ in self.hub.messages]
        since = len(topics) - topics[::-1].index(HOUSE)
        infos = [payload for topic, payload in self.hub.messages[since:] if topic == TOPICS.info]
        return bool(infos) and bool((json.loads(infos[-1]).get("house") or {}).get("ready"))


def check_installed() -> None:
    """Raise EdgeLlmError unless Home Assistant is there and may be started."""
    if os.geteuid() != 0 or not (ROOT / ".installed").exists():
        raise EdgeLlmError(
            "run scripts/test-hubs once, and then this, both as root: it installs Home Assistant"
        )


def wait(what: Callable[[], Any]) -> Any:
    """Wait until something is true, long enough for a slow machine."""
    return eventually(what, _WAIT_S)


@contextmanager
def installed(bundle: Bundle, configuration: str) -> Iterator[Installation]:
    """Start all three, and add the node as its user does who finds it; end them afterwards."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="edge-llm-")))
        broker = Broker(directory)
        broker.start()
        stack.callback(broker.kill)
        service = Service(broker.port, bundle, directory / "log", **_NODE)
        stack.callback(_end, service)
        wait(lambda: "service.ready" in service.log_text() or service.process.poll() is not None)
        if service.process.poll() is not None:
            raise EdgeLlmError(f"the node has ended: {service.log_text().strip().splitlines()[-1:]}")
        service.wait_serving()
        hub = Hub(broker.port, HOUSE, TOPICS.info)
        stack.callback(hub.close)
        home_assistant = HomeAssistant("benchmark", broker.port, configuration)
        shutil.copytree(FIXTURES, home_assistant.directory / "custom_components", dirs_exist_ok=True)
        stack.callback(home_assistant.stop)
        yield Installation(home_assistant, _add_agent(home_assistant), hub)


def _end(service: Service) -> None:
    with suppress(subprocess.TimeoutExpired):  # it has been measured, however long it takes to end
        service.stop()
    service.process.kill()


def _add_agent(home_assistant: HomeAssistant) -> str:
    home_assistant.start()
    if not _has_mqtt(home_assistant):  # what that needs has just been installed
        home_assistant.stop()
        home_assistant.start()
    flow = wait(lambda: found(home_assistant))
    home_assistant.post(f"/api/config/config_entries/flow/{flow['flow_id']}")
    return str(wait(lambda: home_assistant.entity(AGENT)))


def _has_mqtt(home_assistant: HomeAssistant) -> bool:
    entries = home_assistant.get("/api/config/config_entries/entry")
    return all(entry["state"] == "loaded" for entry in entries if entry["domain"] == "mqtt")
