"""Sentences to the demo's model, carried out by the node on the devices of the demo's house."""

import json

import pytest

from edge_llm.bundle import Bundle
from edge_llm.cli.commands.demo import ACTING
from edge_llm.client import Client, Done
from edge_llm.config import MqttSettings
from edge_llm.demo.house import SimulatedHouse
from tests.common import NODE, TOPICS, eventually
from tests.conversation import Hub
from tests.integration.demo_sentences import SENTENCES, fault
from tests.processes import Broker, Nodes

LEAST_RIGHT = 20


@pytest.mark.long
def test_of_24_sentences_at_least_20_end_in_the_states_that_were_meant(
    broker: Broker, int8: Bundle, node: Nodes, hub: Hub
) -> None:
    settings = MqttSettings(host="127.0.0.1", port=broker.port)
    with SimulatedHouse(settings) as house, Client(settings, NODE, "speaker") as client:
        node(**ACTING)
        eventually(
            lambda: any(json.loads(info).get("house", {}).get("ready") for info in hub.on(TOPICS.info))
        )
        faults = {}
        for number, sentence in enumerate(SENTENCES):

            def say(text: str, session: str = f"s{number}") -> Done:
                return client.ask(text, act="auto", session=session)

            if wrong := fault(sentence, house, say):
                faults[sentence.text] = wrong
    assert len(SENTENCES) == 24
    assert len(SENTENCES) - len(faults) >= LEAST_RIGHT, faults
