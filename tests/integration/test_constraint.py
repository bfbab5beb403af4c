"""Forced tokens on the real model: one pass gives what one token at a time gives.

In float32, where a difference is no more than another order of adding up; 8 bits may decide a close choice
otherwise, as everywhere.
"""

from collections.abc import Callable
from unittest.mock import Mock

import numpy as np
import pytest
from llguidance import LLTokenizer

from edge_llm.bundle import Bundle
from edge_llm.contract.tools import Function, Tool
from edge_llm.contract.turns import Turn
from edge_llm.convert.prepare import Quantization
from edge_llm.engine.constraint import grammars
from edge_llm.engine.constraint.matcher import Matcher
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.types import Completion, GenerationRequest
from tests.common import eventually
from tests.integration.test_engine import Conversation

ROOMS = ["kitchen", "bedroom", "bathroom", "hall", "living room", "garage"]
PARAMETERS = {"type": "object", "properties": {"room": {"enum": ROOMS}}, "required": ["room"]}
TOOLS = tuple(
    Tool(function=Function(name=name, description=f"{name} a lamp", parameters=PARAMETERS))
    for name in ("switch_on", "switch_off", "dim")
)


@pytest.fixture(scope="module")
def fp32(bundle: Callable[[Quantization], Bundle]) -> Bundle:
    return bundle("fp32")


@pytest.mark.long
def test_calls_are_those_that_come_one_token_at_a_time(fp32: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Conversation(fp32, prefix_cache_mb=0)

    def ask(room: str) -> Completion:
        turn = Turn(role="user", content=f"Switch on the lamp in the {room}.")
        return engine.ask(GenerationRequest((turn,), 80, tools=TOOLS, tool_choice="required"))[0]

    try:
        together = [ask(room) for room in ROOMS]
        monkeypatch.setattr(Matcher, "force", lambda self: [])
        single = [ask(room) for room in ROOMS]
    finally:
        engine.engine.stop()
    assert [reply.token_ids for reply in together] == [reply.token_ids for reply in single]
    assert all(reply.usage.forced_tokens > reply.usage.completion_tokens / 2 for reply in together)
    assert not any(reply.usage.forced_tokens for reply in single)


def test_what_grammars_need_is_loaded_once_and_may_be_ahead_of_the_first(
    int8: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Mock(wraps=LLTokenizer)
    monkeypatch.setattr(grammars, "LLTokenizer", loaded)
    engine = Conversation(int8)
    try:
        engine.engine.preload_constraints()
        eventually(lambda: loaded.call_count == 1)
        turn = Turn(role="user", content="Switch on the lamp in the hall.")
        reply = engine.ask(GenerationRequest((turn,), 80, tools=TOOLS, tool_choice="required"))[0]
    finally:
        engine.engine.stop()
    assert reply.calls
    assert loaded.call_count == 1


def test_keys_and_values_of_one_pass_are_those_of_single_tokens(fp32: Bundle) -> None:
    decoder = load_decoder(fp32, KVCache(fp32.manifest.kv, 2, 64))
    ids = np.random.default_rng(0).integers(100, 40_000, (1, 24))
    for slot in (0, 1):
        decoder.forward([slot], ids[:, :12], 1)
    decoder.forward([0], ids[:, 12:], 1)
    for at in range(12, 24):
        decoder.forward([1], ids[:, at : at + 1], 1)
    together, single = (decoder.cache.read(slot, 0, 24) for slot in (0, 1))
    assert np.abs(together - single).max() < 1e-4 * np.abs(single).max()
