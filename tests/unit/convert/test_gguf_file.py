"""GGUF files that were not converted properly get one line that is true; ends come from metadata, too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter
from tokenizers import pre_tokenizers

from edge_llm.bundle import open_bundle
from edge_llm.cli.main import main
from edge_llm.convert.sources.gguf_file import open_gguf
from tests.tiny_model import TEMPLATE

NONE = 2**32 - 1
TOKENS = ["<|start|>", "<|end|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]
HIDDEN, HEADS, WIDE = 64, 4, 96


def write_gguf(path: Path, **changes: Any) -> Path:
    """A Llama of one layer; ``changes`` are metadata without their prefix, None leaves them out."""
    tokens = changes.pop("tokens", TOKENS)
    numbers: dict[str, Any] = {"bos_token_id": NONE, "eos_token_id": 1, "unknown_token_id": 0, **changes}
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_context_length(128)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(numbers.pop("types", [3, 3, *[1] * (len(tokens) - 2)]))
    writer.add_token_merges(numbers.pop("merges", ["a b"]))
    writer.add_chat_template(numbers.pop("template", TEMPLATE))
    for name, value in numbers.items():
        if value is not None:
            writer.add_uint32(name if "." in name else f"tokenizer.ggml.{name}", value)
    shapes = {"attn_norm": (HIDDEN,), "ffn_norm": (HIDDEN,), "ffn_down": (HIDDEN, WIDE)}
    shapes |= dict.fromkeys(("ffn_gate", "ffn_up"), (WIDE, HIDDEN))
    shapes |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (HIDDEN, HIDDEN))
    named = {f"blk.0.{name}.weight": shape for name, shape in shapes.items()}
    random = np.random.default_rng(0)
    for name, shape in {
        "token_embd.weight": (len(tokens), HIDDEN),
        "output_norm.weight": (HIDDEN,),
        **named,
    }.items():
        writer.add_tensor(name, random.normal(0, 0.2, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokens": [*TOKENS, "ab"]}, "has the token 'ab' twice, as 258 and 259"),
        ({"merges": ["a b", "a Q"]}, "merge 'a Q' is not of tokens in its vocabulary"),
        ({"merges": ["zz b"]}, "merge 'zz b'"),
        ({"merges": ["ab"]}, "merge 'ab'"),
        ({"split.count": 3, "split.no": 0}, "one of the 3 parts of a split model"),
        ({"types": [3, 1]}, "has 259 tokens and the kinds of 2"),
        (
            {"eos_token_id": NONE, "template": "none", "tokens": ["<a>", "<b>", *TOKENS[2:]]},
            "names no eos_token_id",
        ),
        ({"llama.attention.head_count": 0}, "metadata of a form not known here"),
    ],
)
def test_what_is_malformed_is_one_line_that_names_it(
    changes: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "llama.attention.head_count" in changes:
        file = with_zero_heads(tmp_path)
    else:
        file = write_gguf(tmp_path / "model.gguf", **changes)
    assert main(["prepare", str(file), "--no-quality", "--out", str(tmp_path / "bundle")]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("edge-llm: ")
    assert words in line
    assert list(tmp_path.iterdir()) == [file]


def with_zero_heads(directory: Path) -> Path:
    file = write_gguf(directory / "model.gguf")
    content = bytearray(file.read_bytes())
    key = b"llama.attention.head_count"
    at = content.index(key) + len(key) + 4
    content[at : at + 4] = bytes(4)
    file.write_bytes(content)
    return file


def test_ids_that_stand_for_none_are_none(tmp_path: Path) -> None:
    """2^32-1 is -1 as it was written; the end comes from the template then."""
    file = write_gguf(tmp_path / "model.gguf", eos_token_id=NONE, padding_token_id=999999)
    source = open_gguf(file, origin="model.gguf")
    assert (source.eos_token_ids, source.bos_token, source.eos_token) == ((1,), None, None)
    assert source.special_tokens == {"unk_token": "<|start|>"}
    assert main(["prepare", str(file), "--no-quality", "--out", str(tmp_path / "bundle")]) == 0
    assert open_bundle(tmp_path / "bundle").manifest.eos_sources == {"<|end|>": ("vocabulary", "template")}


def test_ends_are_named_with_their_places(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "model.gguf", eos_token_id=0, eot_token_id=1)
    source = open_gguf(file, origin="model.gguf")
    assert source.eos_sources == {
        "<|start|>": ("metadata",),
        "<|end|>": ("metadata", "vocabulary", "template"),
    }
