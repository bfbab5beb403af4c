"""Mixed quantization: chooses the groups of matrices that get 4 bits, by measured sensitivity.

Each group (for example all ``gate`` matrices) is rounded to 4 bits alone, while the rest stays at 8 bits. The
KL divergence that this costs is weighed against the bytes it saves. Costs are assumed to add up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path

from edge_llm.bundle import Bundle
from edge_llm.convert.graph import Quantizer
from edge_llm.convert.llama_graph import Read
from edge_llm.convert.quantize import QuantizedMatrix, quantize
from edge_llm.convert.writer import GraphWriter
from edge_llm.errors import SourceError

DEFAULT_BYTES_RATIO = 0.75
"""Default target of ``mixed``: its bytes read per token, as a part of those of int8."""


@dataclass(frozen=True)
class Target:
    """Maximum of bytes read per token, or of KL divergence in nats per token."""

    bytes: int | None = None
    kl: float | None = None


NO_TARGET = Target()
"""Stands for DEFAULT_BYTES_RATIO of int8's bytes."""


@dataclass
class Roundings:
    """Every matrix at 8 and at 4 bits, kept in memory (0.9 GB for 0.5 B parameters)."""

    matrices: dict[str, dict[int, QuantizedMatrix]] = field(default_factory=dict)

    def record(self, name: str, read: Read, _graph: GraphWriter) -> QuantizedMatrix:
        """A quantizer that uses 8 bits and remembers the matrix with 8 and with 4."""
        weight = read()
        self.matrices[name] = {8: quantize(weight, 8), 4: quantize(weight, 4)}
        return self.matrices[name][8]

    def recall(self, bits: dict[str, int]) -> Quantizer:
        """Return the quantizer that gives each group its ``bits``, without reading the source again."""
        return lambda name, _read, _graph: self.matrices[name][bits[group_of(name)]]

    def sizes(self) -> dict[str, dict[int, int]]:
        """Bytes read per token, by group and bits; an embedding beside a head of its own counts as 0."""
        untied = "head" in self.matrices
        sizes: dict[str, dict[int, int]] = {}
        for name, roundings in self.matrices.items():
            group = sizes.setdefault(group_of(name), {8: 0, 4: 0})
            for bits, matrix in roundings.items():
                group[bits] += 0 if untied and name == "embedding" else matrix.nbytes
        return sizes


def group_of(name: str) -> str:
    """Return the group of a matrix by its name: ``gate.7`` belongs to ``gate``."""
    return name.partition(".")[0]


def choose_bits(
    roundings: Roundings,
    target: Target,
    write: Callable[[Path, Quantizer], Bundle],
    cost_of: Callable[[Bundle], float],
    scratch: Path,
) -> dict[str, int]:
    """Choose the bits of each group that meet ``target`` at the least cost, from each group's own cost.

    ``write`` makes a bundle in an empty directory; ``cost_of`` is its KL divergence to all at 8 bits.

    Raises:
        SourceError: no choice meets the target.
    """
    sizes = roundings.sizes()
    at_8 = dict.fromkeys(sizes, 8)
    groups = [group for group, size in sizes.items() if size[8] > size[4]]
    costs = {}
    for group in groups:
        variant = scratch / group
        variant.mkdir()
        costs[group] = cost_of(write(variant, roundings.recall({**at_8, group: 4})))
    total = sum(size[8] for size in sizes.values())
    wanted = target if target != NO_TARGET else Target(bytes=int(DEFAULT_BYTES_RATIO * total))
    chosen = _best(groups, {g: sizes[g][8] - sizes[g][4] for g in groups}, costs, total, wanted)
    return at_8 | dict.fromkeys(chosen, 4)


def _best(
    groups: list[str], saved: dict[str, int], costs: dict[str, float], total: int, target: Target
) -> tuple[str, ...]:
    """Return the subset of groups that meets the target best; there are few groups, so all are tried."""
    subsets = chain.from_iterable(combinations(groups, size) for size in range(len(groups) + 1))
    rated = [(total - sum(saved[g] for g in s), sum(costs[g] for g in s), s) for s in subsets]
    fitting: list[tuple[float, float, tuple[str, ...]]]
    if target.bytes is not None:
        fitting = [(cost, size, s) for size, cost, s in rated if size <= target.bytes]
        least = f"{min(rated)[0]} bytes"
    else:
        fitting = [(size, cost, s) for size, cost, s in rated if cost <= (target.kl or 0)]
        least = "KL 0"
    if not fitting:
        raise SourceError(f"no mix of 4 and 8 bits meets the target; the least is {least}")
    return min(fitting)[2]
