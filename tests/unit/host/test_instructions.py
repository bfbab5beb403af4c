"""The processor's instructions decide whether prompts go through a prefill graph, and how."""

from pathlib import Path

import pytest

from edge_llm.host.instructions import (
    integer_instructions,
    prefill_graph_refused,
    products_saturate,
    read_flags,
)

AVX2 = frozenset({"fpu", "avx", "avx2", "fma"})
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512vl"}
ARM = frozenset({"fp", "asimd", "crc32"})


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (AVX512 | {"avx512_vnni", "avx_vnni", "amx_int8", "amx_tile"}, "AMX"),
        (AVX512 | {"avx512_vnni", "avx_vnni"}, "AVX512-VNNI"),
        (AVX2 | {"avx_vnni"}, "AVX-VNNI"),
        (AVX512, "AVX2"),
        (AVX2, "AVX2"),
        (ARM | {"asimddp", "i8mm"}, "I8MM"),
        (ARM | {"asimddp"}, "ASIMDDP"),
        (ARM, None),
        (frozenset({"fpu", "sse4_2"}), None),
        (frozenset[str](), None),
    ],
)
def test_the_best_instructions_are_named(flags: frozenset[str], name: str | None) -> None:
    assert integer_instructions(flags) == name
    assert products_saturate(flags) == (name == "AVX2")
    refused = prefill_graph_refused(in_bundle=True, wanted=True, flags=flags)
    assert refused is None if name else refused and "VNNI" in refused


@pytest.mark.parametrize("name", ["flags\t\t", "Features\t"])
def test_flags_are_those_of_the_first_processor(tmp_path: Path, name: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"vendor_id\t: X\n{name}: fp avx2\n\n{name}: fp\n")
    assert read_flags(tmp_path) == {"fp", "avx2"}


def test_a_system_that_does_not_say_has_none(tmp_path: Path) -> None:
    assert read_flags(tmp_path) == frozenset()


def test_the_graph_is_used_where_there_is_one_and_it_is_wanted() -> None:
    assert "prepare" in (prefill_graph_refused(in_bundle=False, wanted=True, flags=AVX2) or "")
    assert "engine.prefill_graph" in (prefill_graph_refused(in_bundle=True, wanted=False, flags=AVX2) or "")
