"""Asks two bundles for a fact at 10, 50 and 90 % of a prompt of 4,000 tokens, and compares their answers.

``python -m benchmarks.needle REFERENCE BUNDLE``, for example a bundle in fp32 and the one that is served.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from edge_llm.bundle import open_bundle
from edge_llm.contract.turns import Turn
from edge_llm.engine.decoder import Decoder, load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.tokenizer import ChatTokenizer

PROMPT_TOKENS = 4000
PLACES = (0.1, 0.5, 0.9)
_ROOMS = [
    "kitchen",
    "garage",
    "attic",
    "cellar",
    "study",
    "hall",
    "nursery",
    "pantry",
    "workshop",
    "bathroom",
]
_WORDS = [
    "lamp",
    "door",
    "window",
    "heater",
    "shelf",
    "chair",
    "garden",
    "morning",
    "evening",
    "floor",
    "wall",
]
_REPLY_TOKENS = 12


def prompts(tokenizer: ChatTokenizer) -> list[list[int]]:
    """Token ids of one prompt for each room and place, the same on every machine."""
    rng, made = np.random.default_rng(0), []
    for room in _ROOMS:
        for place in PLACES:
            code = int(rng.integers(1000, 10000))
            fact = f"The code of the {room} is {code}."
            sentences = PROMPT_TOKENS // 9  # of eight words and a full stop
            question = f"What is the code of the {room}? Answer with the number alone."
            filler = [" ".join(rng.choice(_WORDS, 8)).capitalize() + "." for _ in range(sentences)]
            filler.insert(int(place * len(filler)), fact)
            made.append(tokenizer.encode_chat([Turn(role="user", content=" ".join([*filler, question]))]))
    return made


def answer(decoder: Decoder, tokenizer: ChatTokenizer, ids: list[int], eos: tuple[int, ...]) -> str:
    """Generate greedily, the prompt in chunks and its last two tokens apart, as it is served."""
    cache = decoder.cache
    cache.rewind(0, 0)
    for start in range(0, len(ids) - 2, 256):
        decoder.forward([0], np.array([ids[start : min(start + 256, len(ids) - 2)]]), 0)
    fed, said = ids[-2:], list[int]()
    while len(said) < _REPLY_TOKENS:
        fed = [int(decoder.forward([0], np.array([fed]), 1)[0, -1].argmax())]
        if fed[0] in eos:
            break
        said += fed
    stream = tokenizer.detokenizer()
    return "".join(map(stream.push, said)) + stream.finish()


def answers(path: Path) -> list[str]:
    """The answers of the bundle at ``path`` to all prompts."""
    bundle = open_bundle(path)
    tokenizer = ChatTokenizer(bundle)
    decoder = load_decoder(bundle, KVCache(bundle.manifest.kv, 1, PROMPT_TOKENS + 1000))
    return [answer(decoder, tokenizer, ids, bundle.manifest.eos_token_ids) for ids in prompts(tokenizer)]


def main() -> None:
    """Print the number of answers that agree, and those that do not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path)
    parser.add_argument("bundle", type=Path)
    options = parser.parse_args()
    pairs = list(zip(answers(options.reference), answers(options.bundle), strict=True))
    agreed = sum(one == other for one, other in pairs)
    print(json.dumps({"agreed": agreed, "of": len(pairs), "others": [p for p in pairs if p[0] != p[1]]}))


if __name__ == "__main__":
    main()
