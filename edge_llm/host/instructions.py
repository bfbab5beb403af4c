"""The processor's instructions for products of 8-bit integers, and what they mean for the prefill graph."""

from functools import cache
from pathlib import Path

from edge_llm.host.files import read_text

_AVX2 = "AVX2"
_INSTRUCTIONS = {
    "amx_int8": "AMX",
    "avx512_vnni": "AVX512-VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx2": _AVX2,
    "i8mm": "I8MM",
    "asimddp": "ASIMDDP",
}
"""Flags of the kernel for the instructions that the prefill graph gains by, best first: x86, then ARM."""

_VECTOR_FLAGS = ("avx", "amx", "fma", "f16c", "sse", "ssse", "asimd", "sve", "i8mm", "bf16")


@cache
def read_flags(root: Path = Path("/")) -> frozenset[str]:
    """The first processor's features, as /proc/cpuinfo names them; empty where it does not. Read once."""
    for line in read_text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):  # x86, ARM
            return frozenset(value.split())
    return frozenset()


def read_vector_flags(root: Path = Path("/")) -> tuple[str, ...]:
    """The processor's instructions for vectors and matrices, as the kernel names them; in order."""
    return tuple(sorted(flag for flag in read_flags(root) if flag.startswith(_VECTOR_FLAGS)))


def integer_instructions(flags: frozenset[str]) -> str | None:
    """Name the best instructions for products of 8-bit integers; None if there are none that help."""
    return next((name for flag, name in _INSTRUCTIONS.items() if flag in flags), None)


def products_saturate(flags: frozenset[str]) -> bool:
    """Return whether sums of uint8 x int8 are wrong on this processor, and those of uint8 x uint8 exact.

    AVX2 (and AVX-512 without VNNI) adds pairs of products up in 16 bits. The others do it in 32.
    """
    return integer_instructions(flags) == _AVX2


def multiplies_two_bits(flags: frozenset[str]) -> bool:
    """Tell whether ONNX Runtime has kernels for weights of 2 bits that are faster than those for 8.

    They are for AVX2 and wider (1.32).
    """
    return "avx2" in flags


def prefill_graph_refused(*, in_bundle: bool, wanted: bool, flags: frozenset[str]) -> str | None:
    """Say why prompts do not go through the bundle's prefill graph; None if they do."""
    if not in_bundle:
        return "the bundle has none; `edge-llm prepare` makes it"
    if not wanted:
        return "engine.prefill_graph is false"
    if integer_instructions(flags) is None:
        known = ", ".join(_INSTRUCTIONS.values())
        return f"the processor has none of the instructions that it gains by: {known}"
    return None
