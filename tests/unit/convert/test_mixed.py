"""The choice of bits under a target, by measured cost a byte."""

from pathlib import Path

import pytest

from edge_llm.bundle import open_bundle
from edge_llm.convert.mixed import Target, _best
from edge_llm.convert.prepare import prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.source import Source
from edge_llm.errors import SourceError

SAVED = {"gate": 30, "down": 30, "qkv": 10}
COSTS = {"gate": 0.01, "down": 0.02, "qkv": 0.03}


@pytest.mark.parametrize(
    ("target", "chosen"),
    [
        (Target(bytes=100), ()),
        (Target(bytes=90), ("gate",)),
        (Target(bytes=60), ("gate", "down")),
        (Target(bytes=30), ("gate", "down", "qkv")),
        (Target(kl=0.005), ()),
        (Target(kl=0.02), ("gate",)),
        (Target(kl=0.035), ("gate", "down")),
    ],
)
def test_the_cheapest_choice_that_meets_the_target(target: Target, chosen: tuple[str, ...]) -> None:
    assert _best(list(SAVED), SAVED, COSTS, 100, target) == chosen


def test_a_target_out_of_reach_is_refused() -> None:
    with pytest.raises(SourceError, match="the least is 30 bytes"):
        _best(list(SAVED), SAVED, COSTS, 100, Target(bytes=29))


@pytest.mark.long
def test_a_mixed_bundle_meets_its_target_and_says_what_it_chose(demo_source: Source, tmp_path: Path) -> None:
    """By default at most three quarters of int8's bytes a token; the source is read once."""
    prepare_bundle(demo_source, tmp_path / "mixed", "mixed", Progress(quiet=True))
    manifest = open_bundle(tmp_path / "mixed").manifest
    assert manifest.quantization == "mixed"
    chosen = {group: bits for group, bits in manifest.bits.items() if group != "coarse_head"}
    assert set(chosen) == {"embedding", "qkv", "o", "gate", "up", "down"}
    assert set(chosen.values()) == {4, 8}
    a = demo_source.architecture
    weights = {"embedding": a.vocab_size * a.hidden, "qkv": 30 * 960 * 576, "o": 30 * 576 * 576}
    weights |= dict.fromkeys(("gate", "up", "down"), 30 * 576 * 1536)
    bytes_a_block = {8: 32 + 4, 4: 16 + 4 + 0.5}
    read = sum(count / 32 * bytes_a_block[manifest.bits[group]] for group, count in weights.items())
    assert read <= 0.75 * sum(weights.values()) / 32 * bytes_a_block[8]
