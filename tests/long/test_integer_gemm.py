"""On an emulated processor with AVX2 alone uint8 x int8 saturates; what the engine does is exact."""

import json
import subprocess
import sys

from edge_llm.host.instructions import products_saturate


def test_a_haswell_saturates_but_not_as_the_engine_uses_it() -> None:
    qemu = ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-m", "tests.integer_gemm"]
    done = subprocess.run(qemu, capture_output=True, text=True, check=True)
    wrong = {kind for kind, error in json.loads(done.stdout).items() if error}
    assert wrong == {"MatMulInteger uint8 x int8", "MatMulIntegerToFloat uint8 x int8"}
    assert products_saturate(frozenset({"avx2", "fma", "bmi2"}))
