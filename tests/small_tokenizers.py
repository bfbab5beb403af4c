"""Tokenizers of a few hundred tokens: byte-level ones, and those with byte fallback as Llama 2 has."""

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from edge_llm.bundle import CHAT_TEMPLATE, TOKENIZER, Bundle, KvGeometry, Manifest
from edge_llm.engine.tokenizer import ChatTokenizer

PIECES = ["▁", "a", "b", "c", "▁a", "ab", "▁ab", "é", "\ufffd", "▁▁"]
MERGES = [("▁", "a"), ("a", "b"), ("▁", "ab"), ("▁", "▁")]


def byte_level(*special: str) -> Tokenizer:
    """Letters and bytes; ``special`` have the first ids."""
    alphabet = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def byte_fallback(
    *special: str, spaces: str = "legacy", rstrip: bool = False, letters: bool = True
) -> Tokenizer:
    """``<unk>``, ``<s>``, ``</s>``, ``special``, 256 bytes and a few pieces.

    ``spaces``: ``legacy`` as Llama 2 (each text begins with one), ``first`` as Mistral (the first text does),
    ``none`` as Gemma, which strips none off either. With ``rstrip`` special tokens take the white space after
    them along, as those of Phi-3. Without ``letters`` nearly everything is bytes.
    """
    tokens = ["<unk>", "<s>", "</s>", *special, *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES]
    if letters:
        tokens += [chr(letter) for letter in range(33, 127) if chr(letter) not in PIECES]
    vocab = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab, MERGES, byte_fallback=True, unk_token="<unk>", fuse_unk=True))  # noqa: S106 - no secret
    if spaces == "first":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    elif spaces == "legacy":
        prepend = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        tokenizer.normalizer = normalizers.Sequence(prepend)
    else:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if spaces != "none":
        steps.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(steps)
    named = ("<unk>", "<s>", "</s>", *special)
    tokenizer.add_special_tokens([AddedToken(name, rstrip=rstrip, normalized=False) for name in named])
    return tokenizer


def chat_tokenizer(directory: Path, tokenizer: Tokenizer, template: str, **names: Any) -> ChatTokenizer:
    """The two as a bundle has them, with the names of special tokens."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / TOKENIZER))
    (directory / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
    manifest = Manifest(
        name="small",
        source="small",
        revision=None,
        license=None,
        architecture="llama",
        quantization="int8",
        graph_format="fused",
        context_tokens=128,
        vocab_size=tokenizer.get_vocab_size(),
        eos_token_ids=(),
        bos_token=None,
        eos_token=None,
        special_tokens=names,
        kv=KvGeometry(layers=1, kv_heads=1, head_dim=1),
        sha256={},
    )
    return ChatTokenizer(Bundle(directory, manifest, ""))
