"""The arithmetic of the prefill graph is exact on the processor at hand."""

import pytest

from edge_llm.host.instructions import integer_instructions, products_saturate, read_flags
from tests.integer_gemm import KINDS, largest_errors

UINT8_BY_INT8 = {kind for kind in KINDS if kind.endswith("x int8")}


@pytest.fixture(scope="module")
def errors() -> dict[str, int]:
    return largest_errors()


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - UINT8_BY_INT8))
def test_products_are_exact_wherever_the_prefill_graph_is_used(kind: str, errors: dict[str, int]) -> None:
    assert errors[kind] == 0 or not integer_instructions(read_flags())


@pytest.mark.parametrize("kind", sorted(UINT8_BY_INT8))
def test_uint8_by_int8_saturates_where_the_node_says_so(kind: str, errors: dict[str, int]) -> None:
    assert (errors[kind] > 0) == products_saturate(read_flags()) or not integer_instructions(read_flags())
