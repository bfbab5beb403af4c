"""Killed brokers and nodes once more, with `eclipse-mosquitto:2` in a container."""

from collections.abc import Iterator

import pytest

from tests.containers import ContainerBroker
from tests.integration.test_outage import *  # noqa: F403 - its tests and fixtures, with the broker below


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerBroker]:
    broker = ContainerBroker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.remove()
