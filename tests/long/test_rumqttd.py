"""The contract through a broker by other makers, over 3.1.1."""

from collections.abc import Iterator

import pytest

from tests.containers import RumqttBroker
from tests.integration.test_service import *  # noqa: F403 - its tests and fixtures, with those below

del test_what_is_too_large_gets_an_error_frame  # noqa: F821 - rumqttd drops messages of this size


@pytest.fixture(scope="module")  # in the place of the shared one
def version() -> str:
    return "3.1.1"


@pytest.fixture(scope="module")
def broker() -> Iterator[RumqttBroker]:
    broker = RumqttBroker()
    broker.start()
    yield broker
    broker.kill()
