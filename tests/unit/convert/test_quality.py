"""Quality in numbers, against known answers."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization, decoder_for_quality
from edge_llm.convert.quality import ALL, _differences, _quality, compare, conversations, log_probabilities
from edge_llm.engine.tokenizer import ChatTokenizer

GetBundle = Callable[[Quantization], Bundle]


def test_hand_computed_differences() -> None:
    expected = np.log(np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]], dtype=np.float32))
    actual = np.log(np.array([[0.25, 0.5, 0.25], [0.1, 0.8, 0.1]], dtype=np.float32))
    sums = list(_differences(expected, actual, [0, 1]))
    kl = 0.5 * np.log(2) + 0.3 * np.log(0.3 / 0.5) + 0.2 * np.log(0.2 / 0.25)
    assert sums == pytest.approx([kl, 1, np.log(2)], rel=1e-5)
    quality = _quality(np.array([2, *sums]))
    assert (quality.tokens, quality.top1) == (2, 0.5)
    assert quality.perplexity_ratio == pytest.approx(np.sqrt(2))


def test_a_model_is_identical_to_itself(bundle: GetBundle) -> None:
    int8 = bundle("int8")
    tokenizer, sample = ChatTokenizer(int8), conversations("quality", 12)
    expected = log_probabilities(decoder_for_quality(int8), tokenizer, sample)
    for quality in compare(expected, decoder_for_quality(int8), tokenizer, sample).values():
        assert (quality.kl, quality.top1, quality.perplexity_ratio) == (0.0, 1.0, 1.0)


@pytest.mark.long
def test_fewer_bits_are_further_from_fp32_and_int8_is_close(bundle: GetBundle) -> None:
    tokenizer, sample = ChatTokenizer(bundle("fp32")), conversations("quality", 8)
    expected = list(log_probabilities(decoder_for_quality(bundle("fp32")), tokenizer, sample))
    measured = {
        bits: compare(expected, decoder_for_quality(bundle(bits)), tokenizer, sample)[ALL]
        for bits in ("int8", "int4")
    }
    assert 0 < measured["int8"].kl < 0.015 < measured["int4"].kl
    assert measured["int8"].top1 > 0.93 > measured["int4"].top1


def test_the_shipped_conversations_are_those_that_the_readme_promises() -> None:
    quality, calibration = conversations("quality"), conversations("calibration")
    assert Counter(c.language for c in quality) == {"en": 18, "zh": 18, "de": 18, "es": 18}
    assert len(calibration) == 24
    prompts = {c.messages[-2].content for c in quality}
    assert prompts & {c.messages[-2].content for c in calibration} == set()
    assert all(c.messages[-1].role == "assistant" for c in [*quality, *calibration])
