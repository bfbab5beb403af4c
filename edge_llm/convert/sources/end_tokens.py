"""Finds the tokens that end a reply: everything that a model's files say of it, put together.

Fine-tunes often name the base model's end in one file and their own in another; a reply that ends at neither
runs to its limit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import TemplateError
from tokenizers import Tokenizer

from edge_llm.engine.text.template import ChatTemplate, Names

_MARKERS = frozenset(
    {
        *("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "</s>"),
        *("<end_of_turn>", "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<end_of_utterance>", "<|endofturn|>"),
        *("<eos>", "<|eos|>", "<|end_of_sentence|>", "<\uff5cend\u2581of\u2581sentence\uff5c>"),
    }
)
"""Added tokens that end a turn or a text wherever they are known."""


def end_tokens(
    declared: Mapping[str, Iterable[Any]], tokenizer: Tokenizer, template: str, names: Names
) -> dict[int, tuple[str, ...]]:
    """Return the end tokens with where each was found; empty if there is none.

    ``declared`` are ids by the file that names them; what is no token of the ``tokenizer`` is left out. The
    other places are ``vocabulary`` (a token with a known name) and ``template`` (written after an
    assistant's turn).
    """
    found: dict[int, list[str]] = {}

    def add(index: int, place: str) -> None:
        places = found.setdefault(index, [])
        if place not in places:
            places.append(place)

    for place, ids in declared.items():
        for index in ids:
            if is_token(index, tokenizer):
                add(index, place)
    added = {token.content: index for index, token in tokenizer.get_added_tokens_decoder().items()}
    for content in _MARKERS & added.keys() - {names.get("bos_token")}:
        add(added[content], "vocabulary")
    written = _end_of_turn(template, names).lstrip()
    after = [content for content in added if written.startswith(content)]
    if after:
        add(added[max(after, key=len)], "template")
    return {index: tuple(found[index]) for index in sorted(found)}


def is_token(index: Any, tokenizer: Tokenizer) -> bool:
    """Whether ``index`` is an id of the vocabulary; -1 and 2^32-1 often stand for none."""
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 2**32:
        return False
    return tokenizer.id_to_token(index) is not None


def named(ends: Mapping[int, tuple[str, ...]], tokenizer: Tokenizer) -> dict[str, tuple[str, ...]]:
    """Return the end tokens by their text, for the manifest."""
    return {tokenizer.id_to_token(index): places for index, places in ends.items()}


def _end_of_turn(template: str, names: Names) -> str:
    try:
        return ChatTemplate(template, names).end_of_turn()
    except TemplateError:
        return ""  # the bundle's trial says why
