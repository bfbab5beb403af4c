"""The real parts that tests share: the demo model's bundles, a mosquitto, nodes, a hub."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from edge_llm.bundle import Bundle, open_bundle
from edge_llm.convert.prepare import Quantization, prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.convert.sources.source import Source
from tests.conversation import Hub
from tests.processes import Broker, HasPort, Nodes, Service

settings.register_profile("untimed", deadline=None)  # a busy machine must not fail a test
settings.load_profile("untimed")
SHORT = ("unit", "integration")
"""The folders of scripts/test, but for what is marked `long` there; fleet is for scripts/test-fleet."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in other folders: it is for scripts/test-all."""
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] not in SHORT:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def demo_source() -> Source:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_llm"
    return open_source("demo", cache)


@pytest.fixture(scope="session")
def bundle(demo_source: Source, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Quantization], Bundle]:
    directory = tmp_path_factory.mktemp("bundles")

    def get(quantization: Quantization) -> Bundle:
        path = directory / quantization
        if not path.exists():
            prepare_bundle(demo_source, path, quantization, Progress(quiet=True))
        return open_bundle(path)

    return get


@pytest.fixture(scope="session")
def int8(bundle: Callable[[Quantization], Bundle]) -> Bundle:
    return bundle("int8")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def fresh_broker(tmp_path: Path) -> Iterator[Broker]:
    """One for each test: it would hand what one of them has left unanswered to the next one's service."""
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def node(broker: HasPort, int8: Bundle, tmp_path: Path) -> Iterator[Nodes]:
    """Starts nodes for one test: ``node(engine__slots=1)``."""
    with Nodes(broker, int8, tmp_path) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def module_node(broker: HasPort, int8: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Starts nodes that the tests of a module share."""
    with Nodes(broker, int8, tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


@pytest.fixture(scope="module", params=["5", "3.1.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def service(
    version: str, broker: HasPort, int8: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A node that the tests of a module share: one by each MQTT version, one after the other."""
    with Nodes(broker, int8, tmp_path_factory.mktemp("nodes")) as node:
        yield node(mqtt__protocol=version)


@pytest.fixture
def hub(broker: HasPort) -> Iterator[Hub]:
    """Hears everything."""
    hub = Hub(broker.port, "#")
    yield hub
    hub.close()
