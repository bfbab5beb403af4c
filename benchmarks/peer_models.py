"""Makes the models of the other engines from the source of the bundle, and keeps them in the cache."""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_llm.convert.sources.open_source import DEMO, HUB_ID, demo_gguf, open_source
from edge_llm.convert.sources.source import Source
from edge_llm.errors import EdgeLlmError, SourceError

_QUANTIZE = """
import sys, ctypes, llama_cpp
source, target, kind, threads = sys.argv[1:]
params = llama_cpp.llama_model_quantize_default_params()
params.nthread = int(threads)
params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
params.allow_requantize = True
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)))
"""

_OPENVINO_INT8 = """
import sys
from pathlib import Path
import nncf, openvino, openvino_genai
gguf, target = Path(sys.argv[1]), Path(sys.argv[2])
target.mkdir()
(target / "model.gguf").symlink_to(gguf)
openvino_genai.LLMPipeline(str(target / "model.gguf"), "CPU", enable_save_ov_model=True)
model = openvino.Core().read_model(target / "openvino_model.xml")
model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
openvino.save_model(model, target / "int8.xml", compress_to_fp16=False)
del model
for end in (".xml", ".bin"):
    (target / f"int8{end}").replace(target / f"openvino_model{end}")
(target / "model.gguf").unlink()
"""
"""The graph that OpenVINO GenAI makes of a GGUF file, its weights in 8 bits by channel as
`optimum-cli export openvino --weight-format int8` has them."""


class PeerModels:
    """Makes the model of each peer when it is first asked for."""

    def __init__(self, spec: str, cache: Path, threads: int, pythons: Sequence[str]) -> None:
        """Name a directory for models of the source ``spec`` under ``cache``; ``pythons`` have the peers."""
        self._spec = spec
        self._cache = cache
        self._threads = threads
        self._pythons = pythons
        path = Path(spec)
        stamp = f"-{path.stat().st_mtime_ns}" if path.exists() else ""
        self._directory = cache / "bench" / (spec.strip("/").replace("/", "--") + stamp)

    def python_with(self, module: str) -> str:
        """Return the first of the interpreters that finds ``module``.

        Raises:
            SourceError: none does.
        """
        for python in self._pythons:
            code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
            try:
                if subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0:
                    return python
            except OSError as error:
                raise EdgeLlmError(f"cannot run {python}: {error.strerror}") from error
        raise SourceError(f"{module} is not installed: scripts/bench-peers installs the peers")

    def gguf(self, kind: str) -> Path:
        """Return llama.cpp's own quantization ``kind`` (Q8_0, Q4_0, F16) of the source's GGUF file.

        Raises:
            SourceError: the source is no GGUF file, or llama.cpp failed.
        """
        if self._spec != DEMO and Path(self._spec).suffix != ".gguf":
            raise SourceError("its quantizer starts from a GGUF file: name one with --source")
        source = demo_gguf(self._cache) if self._spec == DEMO else Path(self._spec)

        def make(target: Path) -> None:
            python = self.python_with("llama_cpp")
            _run([python, "-c", _QUANTIZE, str(source), str(target), kind, str(self._threads)])

        return self._once(f"{kind}.gguf", make)

    def openvino_int8(self) -> Path:
        """Return OpenVINO's own int8 of the source's GGUF file: a directory for OpenVINO GenAI.

        Raises:
            SourceError: the source is no GGUF file, or OpenVINO, nncf or llama.cpp failed.
        """
        whole = self.gguf("F16").resolve()

        def make(target: Path) -> None:
            python = self.python_with("openvino_genai")
            _run([python, "-c", _OPENVINO_INT8, str(whole), str(target)])

        return self._once("openvino-int8", make)

    def directory(self) -> Path:
        """Return the source as a directory that transformers reads; in float32 if it is written here.

        Raises:
            SourceError: it cannot be read.
        """
        if Path(self._spec).is_dir():
            return Path(self._spec)
        if self._spec != DEMO and HUB_ID.fullmatch(self._spec):
            from edge_llm.convert.sources.hub import fetch  # noqa: PLC0415 - needs the extra

            return fetch(self._spec)
        return self._once(
            "directory", lambda target: write_directory(open_source(self._spec, self._cache), target)
        )

    def optimum(self, quantization: str) -> Path:
        """Return Optimum's export as `edge-llm prepare --exporter optimum` makes it.

        Raises:
            SourceError: the export failed.
        """
        source = self.directory()

        def make(target: Path) -> None:
            python = self.python_with("optimum.onnxruntime")
            command = [python, "-m", "edge_llm.cli", "prepare", str(source), "--out", str(target)]
            _run([*command, "--exporter", "optimum", "--quant", quantization, "--no-quality"])

        return self._once(f"optimum-{quantization}", make)

    def genai(self, precision: str) -> Path:
        """Return a model that the builder of onnxruntime-genai makes for CPUs.

        Raises:
            SourceError: it failed.
        """
        source = self.directory()

        def make(target: Path) -> None:
            python = self.python_with("onnxruntime_genai")
            command = [python, "-m", "onnxruntime_genai.models.builder", "-i", str(source), "-o", str(target)]
            _run([*command, "-p", precision, "-e", "cpu", "-c", str(self._directory)])

        return self._once(f"genai-{precision}", make)

    def _once(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the path ``name`` that ``make`` fills, once; an incomplete result is never left there."""
        made, partial = self._directory / name, self._directory / f".{name}.partial"
        if made.exists():
            return made
        self._directory.mkdir(parents=True, exist_ok=True)
        _remove(partial)
        try:
            make(partial)
            partial.rename(made)
        finally:
            _remove(partial)
        return made


def write_directory(source: Source, target: Path) -> None:
    """Write a source as config.json, safetensors (float32) and tokenizer files of transformers."""
    from safetensors.numpy import save_file  # noqa: PLC0415 - needs the extra

    target.mkdir()
    a = source.architecture
    config = {
        "architectures": [f"{a.family.capitalize()}ForCausalLM"],
        "model_type": a.family,
        "num_hidden_layers": a.layers,
        "hidden_size": a.hidden,
        "intermediate_size": a.intermediate,
        "num_attention_heads": a.heads,
        "num_key_value_heads": a.kv_heads,
        "head_dim": a.head_dim,
        "vocab_size": a.vocab_size,
        "max_position_embeddings": a.context_tokens,
        "rope_theta": a.rope_theta,
        "rms_norm_eps": a.rms_eps,
        "tie_word_embeddings": a.tied,
        "eos_token_id": list(source.eos_token_ids),
        "torch_dtype": "float32",
    }
    tokens = {"bos_token": source.bos_token, "eos_token": source.eos_token}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": source.chat_template}
    _write_json(target / "config.json", config)
    _write_json(target / "tokenizer_config.json", settings | {k: v for k, v in tokens.items() if v})
    (target / "tokenizer.json").write_text(source.tokenizer_json, encoding="utf-8")
    tensors = {name: read() for name, read in source.tensors.items()}
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


def _run(command: list[str]) -> None:
    """Run a command that makes a model; its last line of output is in the error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise SourceError(words[-1])


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
