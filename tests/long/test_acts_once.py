"""No act is lost or done twice, whatever is killed."""

from pathlib import Path

import pytest

from edge_llm.bundle import Bundle
from tests import acts_once

pytestmark = pytest.mark.long


@pytest.mark.parametrize("asked", ["node", "documents"])
def test_each_act_is_sent_once_through_kills_and_restarts(int8: Bundle, tmp_path: Path, asked: str) -> None:
    counts = acts_once.run(
        int8, tmp_path, acts=60, kills=4, broker_restarts=3, documents=asked == "documents"
    )
    assert acts_once.check(counts) == []
    assert counts["done"] == 60
