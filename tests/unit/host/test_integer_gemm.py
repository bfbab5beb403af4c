"""The arithmetic of the prefill graph is exact where the node says so."""

from edge_llm.host.instructions import exact_integer_products, read_flags
from tests.integer_gemm import largest_error


def test_uint8_by_uint8_is_exact_on_every_processor() -> None:
    assert largest_error("uint8") == 0


def test_uint8_by_int8_is_exact_where_the_prefill_graph_is_used() -> None:
    if exact_integer_products(read_flags()):
        assert largest_error("int8") == 0
