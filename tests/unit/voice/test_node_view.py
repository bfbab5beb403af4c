"""What is known of the node."""

import pytest

from edge_llm.config import MqttSettings
from edge_llm.mqtt.message import Message
from edge_llm.voice.node_view import NodeView
from edge_llm.voice.program import describe
from tests.unit.voice.parts import HOUSE
from tests.unit.web.parts import INFO, TOPICS


def heard(view: NodeView, payload: bytes) -> None:
    view._on_info(Message(TOPICS.info, payload))


def test_before_anything_is_known_any_language_will_do() -> None:
    view = NodeView(MqttSettings(), TOPICS)
    assert (view.language, view.model, view.has_no_house) == (None, None, False)
    [program] = describe(view).handle
    assert program.models[0].languages == []


@pytest.mark.parametrize("payload", [b"", b"{}", b"[" * 10_000])
def test_the_newest_info_counts_until_the_node_is_retired(payload: bytes) -> None:
    view = NodeView(MqttSettings(), TOPICS)
    heard(view, INFO.encode())
    assert (view.model, view.has_no_house) == ("Tiny 1B", True)
    heard(view, INFO.model_copy(update={"house": HOUSE}).encode())
    assert (view.language, view.has_no_house) == ("de", False)
    heard(view, payload)
    assert (view.language, view.has_no_house) == (None, False)
