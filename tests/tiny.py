"""Tiny random models in the directories that Hugging Face's transformers writes."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from edge_llm.convert.sources.source import Architecture, Source

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VOCAB = 300
SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "rope_theta": 5000.0,
    "eos_token_id": 2,
    "initializer_range": 0.2,
}
GQA: dict[str, Any] = {**SIZES, "num_key_value_heads": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "qwen2": {**GQA, "model_type": "qwen2", "tie_word_embeddings": False},
    "qwen2-tied": {**GQA, "model_type": "qwen2", "tie_word_embeddings": True},
    "llama": {**GQA, "model_type": "llama"},
    "qwen3": {**GQA, "model_type": "qwen3", "head_dim": 32},
    "gpt_neox": {**SIZES, "model_type": "gpt_neox"},
    "gemma": {**GQA, "model_type": "gemma", "head_dim": 16},
}


def make(name: str, directory: Path) -> Any:
    """Save a model of CONFIGS with its tokenizer into ``directory``; returns the transformers model."""
    torch.manual_seed(7)
    config = dict(CONFIGS[name])
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(config.pop("model_type"), **config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # biases and norms, which begin as 0 and 1, where they change nothing
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(directory)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(), bos_token=SPECIAL[0], eos_token=SPECIAL[2]
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(directory)
    return model


def source_of(name: str, model: Any) -> Source:
    """The same model as a source of the fused graph."""
    config = model.config
    return Source(
        name=name,
        origin=name,
        revision=None,
        license=None,
        architecture=Architecture(
            family=config.model_type,
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            intermediate=config.intermediate_size,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
            vocab_size=config.vocab_size,
            context_tokens=config.max_position_embeddings,
            rope_theta=config.rope_theta,
            rms_eps=config.rms_norm_eps,
            tied=config.tie_word_embeddings,
            qkv_bias=config.model_type == "qwen2",
            qk_norm=config.model_type == "qwen3",
        ),
        tensors={key: value.numpy for key, value in model.state_dict().items()},
        tokenizer_json=_tokenizer().to_str(),
        chat_template=TEMPLATE,
        eos_token_ids=(2,),
        bos_token=SPECIAL[0],
        eos_token=SPECIAL[2],
    )


def _tokenizer() -> Tokenizer:
    """Byte-level BPE; with so little to learn from, nearly every byte is a token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["The kitchen light is on. How warm is the bath?"] * 4, trainer)
    return tokenizer
