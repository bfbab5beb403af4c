"""On a processor with AVX2 alone, emulated, products of uint8 and int8 saturate: no prefill graph is used there."""

import json
import os
import subprocess
import sys

from edge_llm.host.instructions import exact_integer_products


def test_a_haswell_saturates_and_is_known_to() -> None:
    qemu = ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-m", "tests.integer_gemm"]
    done = subprocess.run(
        qemu, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    errors = json.loads(done.stdout)
    assert errors["uint8 x uint8"] == 0
    assert errors["uint8 x int8"] > 0
    assert exact_integer_products(frozenset({"avx2", "fma", "bmi2"})) is None
