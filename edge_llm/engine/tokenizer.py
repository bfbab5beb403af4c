"""Converts between text and token ids: the chat template, the tokenizer, and text out of a stream of ids."""

import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from edge_llm.bundle import CHAT_TEMPLATE, TOKENIZER, Bundle
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.errors import BundleError, RequestError


class ChatTokenizer:
    """Renders conversations to token ids and ids to text, for one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        """Load tokenizer and template.

        Raises:
            BundleError: one of them cannot be parsed.
        """
        self.vocab_size = bundle.manifest.vocab_size
        """Number of ids that the model knows, from 0; the tokenizer itself may know fewer."""
        tokenizer_path = bundle.path / TOKENIZER
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(tokenizer_path))
        except Exception as error:  # tokenizers raises bare Exception
            raise BundleError(f"{tokenizer_path} cannot be read: {error}") from error
        # Between special tokens everything is plain text, whoever wrote it.
        self._tokenizer.encode_special_tokens = True
        added = self._tokenizer.get_added_tokens_decoder().items()
        self._special_ids = {token.content: index for index, token in added if token.special}
        longest_first = sorted(self._special_ids, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        # Marks special tokens that stand in a message's own text; nobody outside can guess it.
        self._mark = f"\ufdd0{secrets.token_hex(8)}\ufdd1"
        self._reply_mark = re.compile(re.escape(self._mark) + r"(\d+)\ufdd2")
        self._names = {
            "bos_token": bundle.manifest.bos_token or "",
            "eos_token": bundle.manifest.eos_token or "",
        }
        self._template = _compile(bundle.path / CHAT_TEMPLATE)

    def encode_chat(self, turns: Sequence[Turn], *, open_reply: bool = True) -> list[int]:
        """Token ids of the conversation, with the opening of the assistant's next turn.

        Special tokens are those that the template writes; text that spells one stays plain text. A
        GeneratedTurn keeps its ids.

        Raises:
            RequestError: the template refuses these messages (bad_request).
        """
        messages = [{"role": turn.role, "content": self._content(n, turn)} for n, turn in enumerate(turns)]
        try:
            text = self._template.render(messages=messages, add_generation_prompt=open_reply, **self._names)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise RequestError("bad_request", f"the chat template refuses these messages: {error}") from error
        ids: list[int] = []
        end = 0
        for match in self._special.finditer(text):
            ids += self._encode_segment(text[end : match.start()], turns)
            ids.append(self._special_ids[match.group()])
            end = match.end()
        return ids + self._encode_segment(text[end:], turns)

    def detokenizer(self) -> "Detokenizer":
        """Make a detokenizer for one reply."""
        return Detokenizer(self._tokenizer)

    def _content(self, number: int, turn: Turn) -> str:
        """Text for the template: a mark in place of ids that are kept, else text without special tokens."""
        if isinstance(turn, GeneratedTurn):
            return f"{self._mark}{number}\ufdd2"
        return self._special.sub(
            lambda match: match.group()[:1] + self._mark + match.group()[1:], turn.content
        )

    def _encode_segment(self, text: str, turns: Sequence[Turn]) -> list[int]:
        """Ids of text between special tokens, with the kept ids where their marks stand."""
        ids: list[int] = []
        end = 0
        for match in self._reply_mark.finditer(text):
            ids += self.encode_text(text[end : match.start()])
            turn = turns[int(match.group(1))]
            assert isinstance(turn, GeneratedTurn)
            ids += turn.token_ids
            end = match.end()
        return ids + self.encode_text(text[end:])

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, in which nothing is special."""
        if not text:
            return []
        ids: list[int] = self._tokenizer.encode(text.replace(self._mark, ""), add_special_tokens=False).ids
        return ids


class Detokenizer:
    """Turns a growing list of token ids into text, as soon as its characters are complete."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Start with no tokens."""
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._ids: list[int] = []
        self._given = 0

    def push(self, token_id: int) -> str:
        """Return the text that ``token_id`` completes; empty while a character is unfinished."""
        self._ids.append(token_id)
        text = self._stream.step(self._tokenizer, token_id) or ""
        self._given += len(text)
        return text

    def finish(self) -> str:
        """Return the text that is left at the end: an unfinished character becomes U+FFFD."""
        whole: str = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        return whole[self._given :]


def _compile(path: Path) -> Any:
    """Compile the template in jinja2's sandbox, with the additions that transformers gives chat templates."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(
        value, ensure_ascii=False, indent=indent
    )
    environment.globals["raise_exception"] = _raise_exception
    try:
        return environment.from_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TemplateError) as error:
        raise BundleError(f"{path} cannot be used: {error}") from error


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)
