"""Tries a bundle as the service would use it: tokenizer, template, and a forward pass with a step.

Needs nothing of the extra `prepare`: nodes that are handed finished bundles try them, too (`edge-llm check`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_llm.bundle import Bundle, new_bundle, open_bundle
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import BundleError, RequestError

_CAPACITY = 512
"""Maximum length of the trial's context in tokens."""
_WORD = "Hello"
_SYSTEM = Turn(role="system", content="Answer briefly.")
_USER = Turn(role="user", content=_WORD)
_SAID = Turn(role="assistant", content="Yes.")


@contextmanager
def tried_bundle(out: Path, measure: Callable[[Bundle], None] = lambda _bundle: None) -> Iterator[Path]:
    """Yield an empty directory; when the block succeeds, try the bundle in it and install it at ``out``.

    ``measure`` sees the bundle before it does; what that raises leaves the old one in its place, too.

    Raises:
        BundleError: it cannot serve, or ``out`` cannot be written.
    """
    with new_bundle(out) as directory:
        yield directory
        try:
            bundle = open_bundle(directory)
            try_bundle(bundle)
        except BundleError as error:
            reason = str(error).replace(f"{directory}/", "").replace(f"{directory}: ", "")
            raise BundleError(f"the bundle could not serve and is not installed: {reason}") from error
        measure(bundle)


def try_bundle(bundle: Bundle, threads: int | None = None) -> None:
    """Render conversations, and compute a prompt and a step; takes as long as loading the model.

    Raises:
        BundleError: something in it would keep it from serving.
    """
    tokenizer = ChatTokenizer(bundle)
    vocab_size = bundle.manifest.vocab_size
    if not any(0 <= index < vocab_size for index in bundle.manifest.eos_token_ids):
        raise BundleError(f"{bundle.path} names no end token within the model's vocabulary of {vocab_size}")
    prompt = _try_template(bundle, tokenizer)
    try:
        _try_model(bundle, prompt, tokenizer, threads)
    except BundleError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise BundleError(f"{bundle.path}: its model fails at a prompt: {reason}") from error


def _try_template(bundle: Bundle, tokenizer: ChatTokenizer) -> list[int]:
    """Encode conversations of each kind; returns the prompt of the first."""
    generated = GeneratedTurn(
        role="assistant", content=_SAID.content, token_ids=tuple(tokenizer.encode_text(_SAID.content))
    )
    conversations = (
        (_USER,),
        (_SYSTEM, _USER),
        (_USER, _SAID, _USER),
        (_SYSTEM, _USER, generated, _USER),
    )
    prompts = []
    for turns in conversations:
        roles = ", ".join(turn.role for turn in turns)
        for opened, thinking in ((True, False), (True, True), (False, False)):
            try:
                ids = tokenizer.encode_chat(turns, open_reply=opened, thinking=thinking)
            except RequestError as error:
                raise BundleError(f"{bundle.path}: {error} (tried: {roles})") from error
            if outside := [index for index in ids if index >= bundle.manifest.vocab_size]:
                raise BundleError(
                    f"{bundle.path}: its tokenizer gives the id {outside[0]}, the model's vocabulary has"
                    f" {bundle.manifest.vocab_size}"
                )
            if _WORD.casefold() not in _text(tokenizer, ids).casefold():
                raise BundleError(f"{bundle.path}: its chat template leaves out what the user says ({roles})")
            prompts.append(ids)
    return prompts[0]


def _text(tokenizer: ChatTokenizer, ids: list[int]) -> str:
    stream = tokenizer.detokenizer()
    return "".join(map(stream.push, ids)) + stream.finish()


def _try_model(bundle: Bundle, prompt: list[int], tokenizer: ChatTokenizer, threads: int | None) -> None:
    """Feed the prompt and the token that follows."""
    manifest = bundle.manifest
    cache = KVCache(manifest.kv, 1, min(_CAPACITY, manifest.context_tokens))
    decoder = load_decoder(bundle, cache, threads, packed=True)
    ids = prompt[: cache.capacity - 1]
    decoder.forward([0], np.array([ids], dtype=np.int64), 0)
    cache.rewind(0, 0)
    for _ in range(2):
        logits = decoder.forward([0], np.array([ids], dtype=np.int64), 1)
        if logits.shape != (1, 1, manifest.vocab_size) or not np.isfinite(logits).all():
            raise BundleError(f"{bundle.path}: its model gives no usable logits, but {_described(logits)}")
        ids = [int(logits.argmax())]
    _text(tokenizer, ids)


def _described(logits: NDArray[np.float32]) -> str:
    return f"the shape {logits.shape}, {np.isfinite(logits).mean():.0%} of them numbers"
