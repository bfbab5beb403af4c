"""Estimates how many tokens a text has, without a tokenizer. The one home of this estimate."""

import re

_LETTERS_PER_TOKEN = 4
"""Characters of alphabetic text to a token."""

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
"""Ranges of scripts that put no space between words, for the inside of a regular expression's brackets."""

_UNSPACED = re.compile(f"[{UNSPACED}]")


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of ``text``: one for each character of Han and the like, else one for four."""
    if text.isascii():
        return -(-len(text) // _LETTERS_PER_TOKEN)
    unspaced = len(_UNSPACED.findall(text))
    return unspaced - (unspaced - len(text)) // _LETTERS_PER_TOKEN
