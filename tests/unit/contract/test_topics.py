"""Topics that are no one node's."""

import pytest

from edge_llm.contract.topics import Topics

TOPICS = Topics("home/llm", "kitchen-pc")


def test_every_node_hears_the_houses_of_all_sources() -> None:
    assert TOPICS.house == Topics("home/llm", "bath-pc").house == "home/llm/house/+"
    assert TOPICS.house not in TOPICS.inbound


@pytest.mark.parametrize(
    ("topic", "source"),
    [
        ("home/llm/house/home-assistant.1", "home-assistant.1"),
        ("home/llm/house/living room", None),
        ("home/llm/house/", None),
        ("home/llm/house", None),
        ("home/llm/house/a/b", None),
        ("llm/house/a", None),
        ("home/llm/kitchen-pc/a", None),
    ],
)
def test_the_source_of_a_house_is_in_its_topic(topic: str, source: str | None) -> None:
    assert TOPICS.house_source(topic) == source
    assert TOPICS.parse(topic) is None
