"""The demo model against Hugging Face transformers (reference.json, made by make_reference.py)."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llm.bundle import Bundle
from edge_llm.contract.turns import Turn
from edge_llm.convert.prepare import Quantization
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.fused import FusedDecoder
from edge_llm.engine.tokenizer import ChatTokenizer

REPLIES = json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8"))
GetBundle = Callable[[Quantization], Bundle]


class OneSlot(FusedDecoder):
    """A decoder whose first slot is fed lists of ids."""

    def feed(self, ids: list[int], logits: int) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = self.forward(range(1), np.array([ids]), logits)[0]
        return rows.copy()


def decoder_of(bundle: Bundle) -> OneSlot:
    return OneSlot(bundle, KVCache(bundle.manifest.kv, 1, 512), threads=2)


@pytest.fixture(scope="module")
def exact(bundle: GetBundle) -> OneSlot:
    return decoder_of(bundle("fp32"))


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply["prompt"][:20])
def test_prompt_ids_are_those_of_transformers(bundle: GetBundle, reply: dict[str, list[int]]) -> None:
    tokenizer = ChatTokenizer(bundle("int8"))
    assert tokenizer.encode_chat([Turn(role="user", content=str(reply["prompt"]))]) == reply["prompt_ids"]


@pytest.mark.parametrize(
    ("reply", "chunk"),
    [
        pytest.param(reply, chunk, marks=[] if number < shown else pytest.mark.long)
        for chunk, shown in ((512, 2), (7, 1))
        for number, reply in enumerate(REPLIES)
    ],
    ids=lambda value: value["prompt"][:20] if isinstance(value, dict) else value,
)
def test_fp32_greedy_ids_are_those_of_transformers(
    exact: OneSlot, reply: dict[str, list[int]], chunk: int
) -> None:
    """Token for token over 64 tokens, with the prompt in one piece and in chunks."""
    exact.cache.rewind(0, 0)
    prompt = reply["prompt_ids"]
    for start in range(0, len(prompt), chunk):
        logits = exact.feed(prompt[start : start + chunk], 1)
    greedy = []
    for _ in reply["greedy_ids"]:
        greedy.append(int(logits[0].argmax()))
        logits = exact.feed(greedy[-1:], 1)
    assert greedy == reply["greedy_ids"]


def test_int8_agrees_on_95_percent_of_teacher_forced_choices(bundle: GetBundle) -> None:
    decoder = decoder_of(bundle("int8"))
    agreed = []
    for reply in REPLIES:
        decoder.cache.rewind(0, 0)
        greedy = reply["greedy_ids"]
        logits = decoder.feed(reply["prompt_ids"] + greedy[:-1], len(greedy))
        agreed += (logits.argmax(axis=1) == np.array(greedy)).tolist()
    assert len(agreed) == 5 * 64
    assert np.mean(agreed) >= 0.95


def test_a_chunk_without_logits_and_a_rewound_slot_change_nothing(exact: OneSlot) -> None:
    prompt = REPLIES[0]["prompt_ids"]
    exact.cache.rewind(0, 0)
    whole = exact.feed(prompt, 1)
    exact.feed([1, 2, 3], 1)
    exact.cache.rewind(0, 10)
    exact.feed(prompt[10:-3], 0)
    np.testing.assert_allclose(exact.feed(prompt[-3:], 1), whole, atol=1e-3)
