"""A bundle: a prepared model directory, with a manifest that vouches for every file in it.

The one file that both sides read: ``prepare`` writes bundles, the service opens them. Nothing here
executes anything that a bundle contains.
"""

import ctypes
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from edge_llm.config.sampling import MinP, RepetitionPenalty, Temperature, TopK, TopP
from edge_llm.errors import BundleError

FORMAT_VERSION: Literal[3] = 3
"""All since 0.3. A decode graph of 2 may have a coarse head; one of 3 has outputs of their own for logits by
the coarse head, and for those of a few tokens."""
MANIFEST = "manifest.json"
MODEL = "model.onnx"
MODEL_DATA = "model.onnx.data"
SHORTLISTED = "shortlisted"
"""Input of a decode graph with a coarse head: positions of the tokens whose logits it is to shortlist."""
ALLOWED = "allowed"
"""Input of a quantized decode graph: ids of tokens whose logits are wanted apart."""
PREFILL = "prefill.onnx"
PREFILL_DATA = "prefill.onnx.data"
EMBEDDING = "embedding.onnx"
"""The prefill graph and the look-up of the embedding that it is fed by: in no bundle made before 0.3."""
TOKENIZER = "tokenizer.json"
CHAT_TEMPLATE = "chat_template.jinja"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


class KvGeometry(BaseModel):
    """Shape of the KV cache of one token: ``layers x 2 x kv_heads x head_dim`` float32 values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int
    kv_heads: int
    head_dim: int


class Calibration(BaseModel):
    """The calibration of the 4-bit matrices: by ``method``, on ``tokens`` tokens of a ``text``.

    ``self``: what the model said itself, sampled with ``seed``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["gptq"] = "gptq"
    text: Literal["self", "file"]
    seed: int | None
    tokens: int


class Sampling(BaseModel):
    """The sampling that a model's makers recommend; None where they say nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    min_p: MinP | None = None
    repetition_penalty: RepetitionPenalty | None = None


class Manifest(BaseModel):
    """Description of a bundle: its model, its origin, and the SHA-256 of each of its files."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    format_version: Literal[1, 2, 3] = FORMAT_VERSION
    name: str
    source: str
    revision: str | None
    license: str | None
    architecture: str
    quantization: str
    bits: dict[str, int] = {}
    """Bits a weight of each group of matrices: ``embedding``, ``qkv``, ``gate`` and so on. ``coarse_head`` is
    among them where the decode graph has one."""
    calibration: Calibration | None = None
    sampling: Sampling | None = None
    """Defaults of requests, below those of the configuration; None in bundles made before."""
    graph_format: Literal["fused", "concat"] = Field(
        validation_alias=AliasChoices("graph_format", "flavour")  # the name in bundles made before
    )
    context_tokens: int
    vocab_size: int
    eos_token_ids: tuple[int, ...]
    eos_sources: dict[str, tuple[str, ...]] = {}
    """Places that each end token was found in: ``{"<|im_end|>": ("tokenizer_config", "template")}``."""
    special_tokens: dict[str, str | tuple[str, ...]] | None = None
    """Special tokens for the chat template, by names like ``bos_token``; None in bundles made before."""
    bos_token: str | None
    eos_token: str | None
    kv: KvGeometry
    sha256: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: its directory, its manifest, and the hash that names its whole content."""

    path: Path
    manifest: Manifest
    hash: str


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_bundle(path: Path) -> Bundle:
    """Read the manifest of the bundle at ``path`` and verify every checksum in it.

    Raises:
        BundleError: no bundle there, another format version, or a file that is missing or changed.
    """
    bundle = read_manifest(path)
    verify_files(bundle, bundle.manifest.sha256)
    return bundle


def read_manifest(path: Path) -> Bundle:
    """Read the manifest of the bundle at ``path``; its files are not checked: see ``verify_files``.

    Raises:
        BundleError: no bundle there, or another format version.
    """
    manifest_path = path / MANIFEST
    try:
        raw = manifest_path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"no bundle at {path}: make one with `edge-llm prepare SOURCE --out {path}`"
        ) from error
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if where == "format_version":
            raise BundleError(
                f"bundle {path} has format version {first['input']!r}, this edge_llm reads up to "
                f"{FORMAT_VERSION}: prepare it again, or upgrade edge_llm"
            ) from error
        raise BundleError(
            f"{manifest_path} is damaged ({where}: {first['msg']}): prepare the bundle again"
        ) from error
    return Bundle(path, manifest, hashlib.sha256(raw).hexdigest())


def verify_files(bundle: Bundle, names: Iterable[str]) -> None:
    """Compare files with their checksums; the interpreter's lock is free meanwhile.

    Raises:
        BundleError: a file is missing or changed.
    """
    path = bundle.path
    for name in names:
        if name != Path(name).name:
            raise BundleError(f"{path / MANIFEST} names a file outside the bundle: {name!r}")
        try:
            actual = sha256_of(path / name)
        except OSError as error:
            raise BundleError(f"bundle {path} lacks {name}: prepare it again") from error
        if actual != bundle.manifest.sha256[name]:
            raise BundleError(f"bundle {path}: {name} does not match its checksum: prepare it again")


@contextmanager
def new_bundle(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside ``path``; install it at ``path`` when the block succeeds.

    Until the last rename an older bundle at ``path`` stays as it was; on failure nothing is left behind.

    Raises:
        BundleError: ``path`` exists and is not a bundle (nothing that is not ours is replaced).
    """
    if path.exists() and not (path / MANIFEST).exists() and (not path.is_dir() or any(path.iterdir())):
        raise BundleError(f"{path} exists and is not a bundle: choose another --out")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
    except OSError as error:
        raise BundleError(f"cannot write beside {path}: {error.strerror}") from error
    try:
        partial.chmod(0o755)
        yield partial
        for file in (*partial.iterdir(), partial):
            _write_through(file)
        _replace(partial, path)
        _write_through(path.parent)
    except OSError as error:
        raise BundleError(f"cannot write the bundle {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_through(path: Path) -> None:
    """Wait until a file, or the names in a directory, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path``, and remove what was there.

    Both change places in one step where the file system can: whenever the power fails, one of them is there.
    """
    old = new.with_name(new.name + ".old")
    if path.exists():
        if _exchange(new, path):
            _remove(new)
            return
        path.rename(old)
    try:
        new.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    _remove(old)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names (renameat2(2)); False where that cannot be done."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    names = os.fsencode(one), os.fsencode(other)
    return rename is not None and rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0


def _remove(old: Path) -> None:
    if old.is_symlink():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)
