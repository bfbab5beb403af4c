"""The short version of `scripts/chaos` with a broker of small packets, and a link that is cut within them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from tests.chaos import check, run


@pytest.mark.long
@pytest.mark.parametrize(("packet_bytes", "protocol"), [(1000, "auto"), (0, "auto"), (0, "3.1.1")])
def test_small_packets_and_torn_ones_cost_no_reply(
    bundle: Callable[[Quantization], Bundle], tmp_path: Path, packet_bytes: int, protocol: str
) -> None:
    """On 3.1.1 nobody announces a limit, and a bad network must not look like one."""
    counts = run(
        bundle("int8"),
        tmp_path,
        requests=60,
        clients=6,
        kills=1,
        broker_restarts=1,
        cuts=0,
        tears=5,
        packet_bytes=packet_bytes,
        protocol=protocol,
        say=print,
    )
    print(counts)
    assert check(counts) == []
    assert counts.get("too_large", 0) == (6 if packet_bytes else 0)
