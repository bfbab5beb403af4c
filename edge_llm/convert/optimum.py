"""Optimum's export of a Hugging Face directory, and ONNX Runtime's dynamic INT8: the graph format `concat`.

Serves architectures that ``graph`` does not know, and is the reference that ``graph`` is tested against.
Code from the directory is never run, pickled weights are never read.
"""

import gc
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from edge_llm.bundle import (
    CHAT_TEMPLATE,
    MANIFEST,
    MODEL,
    MODEL_DATA,
    TOKENIZER,
    Bundle,
    KvGeometry,
    Manifest,
    read_manifest,
    sha256_of,
)
from edge_llm.convert.sources.hf_chat_files import read_chat_files
from edge_llm.convert.trial import tried_bundle
from edge_llm.errors import SourceError

_TASK = "text-generation"
_CONTEXT_TOKENS = 2048
"""Context length when config.json names none, as for models with relative positions."""
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def prepare_optimum_bundle(
    model_dir: Path, out: Path, quantization: str, revision: str | None = None
) -> Bundle:
    """Export ``model_dir`` into a bundle at ``out``; an older bundle there stays until the new one was tried.

    Takes about 11 bytes of memory a parameter for fp32, 17 for int8.

    Raises:
        SourceError: the extra is missing, or the model cannot be exported.
        BundleError: what was made cannot serve, or ``out`` cannot be written.
    """
    if quantization not in ("int8", "fp32"):
        raise SourceError(f"Optimum exports int8 or fp32, not {quantization}: choose another --quant")
    name = model_dir.resolve().name
    chat = read_chat_files(model_dir, name)
    with _quiet():
        _check_exportable(model_dir, chat.config)
        with tried_bundle(out) as directory:
            _export(model_dir, directory, int8=quantization == "int8")
            (directory / TOKENIZER).write_text(chat.tokenizer_json, encoding="utf-8")
            (directory / CHAT_TEMPLATE).write_text(chat.chat_template, encoding="utf-8")
            vocab_size, kv = _read_geometry(directory / MODEL)
            manifest = Manifest(
                name=name,
                source=name,
                revision=revision,
                license=chat.license,
                architecture=str(chat.config.get("model_type")),
                quantization=quantization,
                graph_format="concat",
                context_tokens=int(chat.config.get("max_position_embeddings") or _CONTEXT_TOKENS),
                vocab_size=vocab_size,
                eos_token_ids=chat.eos_token_ids,
                bos_token=chat.bos_token,
                eos_token=chat.eos_token,
                sampling=chat.sampling,
                eos_sources=chat.eos_sources,
                special_tokens=chat.special_tokens,
                kv=kv,
                sha256={file.name: sha256_of(file) for file in sorted(directory.iterdir())},
            )
            (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return read_manifest(out)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence log messages and warnings of torch, transformers and Optimum; errors are still raised."""
    disabled = logging.root.manager.disable
    handler = logging.NullHandler()  # else onnxruntime's logging.warning() calls basicConfig()
    logging.root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        logging.root.removeHandler(handler)


def _import(name: str) -> Any:
    """Import a module of the extra only when it is used: it takes seconds and half a gigabyte."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise SourceError(
            f"{error.name} is missing: pip install torch==2.13.0, then pip install 'edge-llm[optimum]'"
        ) from error


def _check_exportable(path: Path, config: dict[str, Any]) -> None:
    """Refuse a model that would fail later, before the weights are read.

    Raises:
        SourceError: no safetensors, or an architecture that transformers or Optimum does not know.
    """
    if not any(path.glob("*.safetensors")):
        if any(file for pattern in _PICKLES for file in path.glob(pattern)):
            raise SourceError(f"{path} has pickled weights only, which can run code: convert to safetensors")
        raise SourceError(f"{path} lacks weights (*.safetensors)")
    transformers, model_type = _import("transformers"), config.get("model_type")
    if model_type not in transformers.CONFIG_MAPPING:
        if "auto_map" in config:
            raise SourceError(f"{path} brings code of its own (auto_map), which is never run")
        raise SourceError(f"transformers {transformers.__version__} does not know {model_type!r}")
    _import("optimum.exporters.onnx.convert")  # registers what can be exported
    tasks = _import("optimum.exporters.tasks").TasksManager
    try:
        known = tasks.get_supported_tasks_for_model_type(model_type, "onnx", library_name="transformers")
    except KeyError:
        known = {}
    if f"{_TASK}-with-past" not in known:
        raise SourceError(f"Optimum cannot export {model_type!r} for text generation")


def _export(path: Path, directory: Path, *, int8: bool) -> None:
    """Write ``model.onnx`` and ``model.onnx.data`` into ``directory``."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        raw, made = Path(scratch) / "raw.onnx", Path(scratch) / MODEL
        try:
            _export_fp32(path, raw)
        except SourceError:
            raise
        except Exception as error:  # three libraries, each with exceptions of its own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SourceError(f"{path} cannot be exported: {reason}") from error
        gc.collect()  # the model, before the quantizer takes as much again
        if int8:
            # Optimum's recipe for AVX512-VNNI: signed weights with a scale a channel.
            quantization = _import("onnxruntime.quantization")
            quantization.quantize_dynamic(
                raw,
                made,
                per_channel=True,
                weight_type=quantization.QuantType.QInt8,
                use_external_data_format=True,
            )
        else:
            onnx = _import("onnx")
            onnx.save(onnx.load(raw), made, save_as_external_data=True, location=MODEL_DATA)
        for file in (made, made.with_name(MODEL_DATA)):
            file.chmod(0o644)  # onnx makes its data readable for its owner only
            file.rename(directory / file.name)


def _export_fp32(path: Path, target: Path) -> None:
    """Write Optimum's `text-generation-with-past` graph with float32 weights to ``target``."""
    torch, transformers = _import("torch"), _import("transformers")
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        str(path),
        dtype=torch.float32,
        output_loading_info=True,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    if info["missing_keys"]:  # transformers would go on with random numbers
        raise SourceError(f"{path} lacks weights: {', '.join(sorted(info['missing_keys'])[:4])}")
    model.eval().config.use_cache = True
    tasks = _import("optimum.exporters.tasks").TasksManager
    config = tasks.get_exporter_config_constructor(
        "onnx", model=model, task=f"{_TASK}-with-past", library_name="transformers"
    )(model.config, task=_TASK, use_past=True, use_past_in_inputs=True)
    _import("optimum.exporters.onnx.convert").export(
        model=model, config=config, output=target, opset=config.DEFAULT_ONNX_OPSET
    )


def _read_geometry(model: Path) -> tuple[int, KvGeometry]:
    """Read vocabulary size and KV geometry from the shapes of the graph's outputs."""
    outputs = _import("onnx").load(model, load_external_data=False).graph.output
    shapes = {
        output.name: [axis.dim_value for axis in output.type.tensor_type.shape.dim] for output in outputs
    }
    keys = [shape for name, shape in shapes.items() if name.endswith(".key")]
    _, kv_heads, _, head_dim = keys[0]
    return shapes["logits"][2], KvGeometry(layers=len(keys), kv_heads=kv_heads, head_dim=head_dim)
