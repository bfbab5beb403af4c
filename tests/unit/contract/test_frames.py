"""Frames of nodes of an earlier version are still read: from the request log, and by clients."""

import pytest

from edge_llm.contract.frames import Energy


@pytest.mark.parametrize("word", ["unavailable", "none"])
def test_the_word_for_no_figure_that_was_is_the_one_that_is(word: str) -> None:
    assert Energy.model_validate_json(f'{{"quality": "{word}"}}').quality == "none"
