"""The short version of `scripts/chaos`."""

from pathlib import Path

from edge_llm.bundle import Bundle
from tests.chaos import check, run


def test_nothing_is_lost_and_nothing_doubled(int8: Bundle, tmp_path: Path) -> None:
    counts = run(int8, tmp_path, requests=80, clients=8, kills=3, broker_restarts=2, cuts=1, say=print)
    print(counts)
    assert check(counts) == []
    assert counts["done"] >= 80
    assert counts["late_sent"] == counts["expired"] == 3
