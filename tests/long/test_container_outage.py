"""Killed brokers and nodes once more, with `eclipse-mosquitto:2` in a container."""

from tests.containers import container_broker
from tests.integration.test_outage import *  # noqa: F403 - its tests and fixtures, with the broker below

broker = container_broker
