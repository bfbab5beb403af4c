"""The processor's instructions decide whether prompts go through a prefill graph."""

from pathlib import Path

import pytest

from edge_llm.host.instructions import exact_integer_products, prefill_graph_refused, read_flags

AVX2 = frozenset({"fpu", "avx", "avx2", "fma"})


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"avx512_vnni", "avx_vnni", "amx_int8"}, "AMX"),
        ({"avx512_vnni"}, "AVX512-VNNI"),
        ({"avx_vnni"}, "AVX-VNNI"),
        (set[str](), None),
    ],
)
def test_the_best_instruction_is_named(more: set[str], name: str | None) -> None:
    assert exact_integer_products(AVX2 | more) == name


def test_flags_are_those_of_the_first_processor(tmp_path: Path) -> None:
    assert read_flags(tmp_path) == frozenset()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("vendor_id\t: X\nflags\t\t: fpu avx2\n\nflags\t\t: fpu\n")
    assert read_flags(tmp_path) == {"fpu", "avx2"}


def test_the_graph_is_used_where_it_is_exact_and_wanted() -> None:
    vnni = AVX2 | {"avx512_vnni"}
    assert prefill_graph_refused(in_bundle=True, wanted=True, flags=vnni) is None
    assert "prepare" in (prefill_graph_refused(in_bundle=False, wanted=True, flags=vnni) or "")
    assert "engine.prefill_graph" in (prefill_graph_refused(in_bundle=True, wanted=False, flags=vnni) or "")
    assert "saturate" in (prefill_graph_refused(in_bundle=True, wanted=True, flags=AVX2) or "")
