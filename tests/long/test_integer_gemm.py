"""On an emulated processor with AVX2 alone, uint8 x int8 saturates: no prefill graph is used there."""

import json
import subprocess
import sys

from edge_llm.host.instructions import exact_integer_products


def test_a_haswell_saturates_and_is_known_to() -> None:
    qemu = ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-m", "tests.integer_gemm"]
    done = subprocess.run(qemu, capture_output=True, text=True, check=True)
    errors = json.loads(done.stdout)
    assert errors["uint8 x uint8"] == 0
    assert errors["uint8 x int8"] > 0
    assert exact_integer_products(frozenset({"avx2", "fma", "bmi2"})) is None
