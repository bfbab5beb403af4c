"""The processor's instructions for products of 8-bit integers, and what they mean for the prefill graph."""

from pathlib import Path

from edge_llm.host.files import read_text

_EXACT = {"amx_int8": "AMX", "avx512_vnni": "AVX512-VNNI", "avx_vnni": "AVX-VNNI"}
"""Flags of the kernel for instructions that add up uint8 x int8 in 32 bits."""

_VECTOR_FLAGS = ("avx", "amx", "fma", "f16c", "sse", "ssse")


def read_flags(root: Path = Path("/")) -> frozenset[str]:
    """The features of the first processor, as /proc/cpuinfo names them; empty where it does not."""
    for line in read_text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def read_vector_flags(root: Path = Path("/")) -> tuple[str, ...]:
    """The processor's instructions for vectors and matrices, as the kernel names them; in order."""
    return tuple(sorted(flag for flag in read_flags(root) if flag.startswith(_VECTOR_FLAGS)))


def exact_integer_products(flags: frozenset[str]) -> str | None:
    """Name the best instruction that multiplies uint8 by int8 exactly; None if there is none.

    AVX2 alone adds pairs of products up in 16 bits, where they saturate: sums are off by up to 800,000.
    Exact there is uint8 x uint8, which takes 2.1 times as long where both can be measured.
    """
    return next((name for flag, name in _EXACT.items() if flag in flags), None)


def prefill_graph_refused(*, in_bundle: bool, wanted: bool, flags: frozenset[str]) -> str | None:
    """Say why prompts do not go through the bundle's prefill graph; None if they do."""
    if not in_bundle:
        return "the bundle has none; `edge-llm prepare` makes it"
    if not wanted:
        return "engine.prefill_graph is false"
    if exact_integer_products(flags) is None:
        return "the processor has no VNNI or AMX: its products of 8-bit integers would saturate"
    return None
