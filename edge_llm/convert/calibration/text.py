"""The calibration text: the model's own replies to shipped openers, or the content of a file."""

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import count
from pathlib import Path

import numpy as np

from edge_llm.contract.turns import Turn
from edge_llm.engine.decoder import Decoder
from edge_llm.engine.sampler import make_sampler
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import SamplingParams
from edge_llm.errors import RequestError, SourceError

CONTEXT_TOKENS = 512
"""Maximum length of one conversation."""
_REPLY_TOKENS = 96
_CHARACTERS_A_TOKEN = 16

Piece = str | tuple[Turn, ...]
"""Plain text, or a chat."""


def openers() -> list[tuple[Turn, ...]]:
    """Read the shipped questions to the model: in alternating languages, many about a smart home."""
    rows = (files("edge_llm.convert") / "data" / "openers.jsonl").read_text(encoding="utf-8").splitlines()
    return [tuple(Turn(**message) for message in json.loads(row)["messages"]) for row in rows]


def own_text(
    decoder: Decoder, tokenizer: ChatTokenizer, eos: Sequence[int], seed: int, begin: int = 0
) -> Iterator[list[int]]:
    """Yield token ids of one conversation after the other, from number ``begin`` on, without end.

    Each is an opener with the model's sampled reply, which depends on ``seed`` and its own number alone.

    Raises:
        SourceError: the context holds none of them.
    """
    prompts = [tokenizer.encode_chat(messages) for messages in openers()]
    prompts = [ids for ids in prompts if len(ids) + _REPLY_TOKENS <= decoder.cache.capacity]
    if not prompts:
        raise SourceError("too short a context to write calibration text: give --calibrate a file")
    for number in count(begin):
        ids = list(prompts[number % len(prompts)])
        sample = make_sampler(SamplingParams(temperature=0.7, top_k=0, top_p=0.95, seed=seed + number))
        slot = decoder.cache.acquire()
        fed = ids
        for _ in range(_REPLY_TOKENS):
            logits = decoder.forward(range(slot, slot + 1), np.array([fed], dtype=np.int64), 1)
            fed = [sample(logits[0, -1])]
            ids = ids + fed
            if fed[0] in eos:
                break
        decoder.cache.release(slot)
        yield ids


def read_pieces(path: Path) -> list[Piece]:
    """Read the content of a text file, or the chats of a .jsonl file whose lines hold ``messages``.

    Raises:
        SourceError: it cannot be read, or holds nothing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read {path} as UTF-8 text: {error}") from error
    pieces: list[Piece] = [text] if text.strip() else []
    if path.suffix == ".jsonl":
        lines = enumerate(text.splitlines(), 1)
        pieces = [_chat(line, f"{path}, line {number}") for number, line in lines if line.strip()]
    if not pieces:
        raise SourceError(f"{path} is empty: give --calibrate text or chats, or no file at all")
    return pieces


def _chat(line: str, where: str) -> tuple[Turn, ...]:
    try:
        turns = json.loads(line)["messages"]
        messages = tuple(Turn(role=turn["role"], content=turn["content"]) for turn in turns)
    except (ValueError, TypeError, LookupError) as error:
        raise SourceError(f'{where}: not an object with "messages" of "role" and "content"') from error
    if not messages or not all(isinstance(turn.content, str) for turn in messages):
        raise SourceError(f"{where}: messages need text")
    return messages


def encode(pieces: Sequence[Piece], tokenizer: ChatTokenizer, tokens: int, context: int) -> list[list[int]]:
    """Encode the first ``tokens`` tokens of ``pieces``, cut into conversations of at most ``context`` tokens.

    Raises:
        SourceError: the chat template refuses one of them.
    """
    conversations: list[list[int]] = []
    left = tokens
    for piece in pieces:
        if isinstance(piece, str):
            ids = tokenizer.encode_text(piece[: left * _CHARACTERS_A_TOKEN])
        else:
            try:
                ids = tokenizer.encode_chat(piece, open_reply=False)
            except RequestError as error:
                raise SourceError(f"a chat of the calibration file: {error}") from error
        ids = ids[:left]
        conversations += [ids[start : start + context] for start in range(0, len(ids), context)]
        left -= len(ids)
        if not left:
            break
    return conversations
