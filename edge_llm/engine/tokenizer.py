"""Converts between text and token ids: the chat template, the tokenizer, and text out of a stream of ids."""

import re
import secrets
from collections.abc import Sequence

from jinja2 import TemplateError
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import Metaspace

from edge_llm.bundle import CHAT_TEMPLATE, TOKENIZER, Bundle
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.text.detokenizer import Detokenizer, PendingIds
from edge_llm.engine.text.template import ChatTemplate
from edge_llm.engine.text.thoughts import ThoughtFilter
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
        self._space_first = _take_first_space(self._tokenizer)
        added = self._tokenizer.get_added_tokens_decoder().items()
        self._special_ids = {token.content: index for index, token in added if token.special}
        self._strips_left = {token.content for _, token in added if token.lstrip}
        self._strips_right = {token.content for _, token in added if token.rstrip}
        longest_first = sorted(self._special_ids, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        # Marks special tokens that stand in a message's own text; nobody outside can guess it.
        self._mark = f"\ufdd0{secrets.token_hex(8)}\ufdd1"
        self._reply_mark = re.compile(re.escape(self._mark) + r"(\d+)\ufdd2")
        self._pending = PendingIds(self._tokenizer)
        self._template = _template(bundle)
        self._opens_thought = [self._template.thoughts(thinking=thinking) for thinking in (False, True)]

    def encode_chat(
        self, turns: Sequence[Turn], *, open_reply: bool = True, thinking: bool = False
    ) -> list[int]:
        """Token ids of the conversation, with the opening of the assistant's next turn.

        Special tokens are those that the template writes; text that spells one stays plain text. A
        GeneratedTurn keeps its ids. ``thinking`` lets models think aloud that are able to.

        Raises:
            RequestError: the template refuses these messages (bad_request).
        """
        messages = [{"role": turn.role, "content": self._content(n, turn)} for n, turn in enumerate(turns)]
        try:
            text = self._template.render(messages, open_reply=open_reply, thinking=thinking)
        except TemplateError as error:
            raise RequestError("bad_request", f"the chat template refuses these messages: {error}") from error
        ids: list[int] = []
        end = 0
        before = ""
        for match in self._special.finditer(text):
            special = match.group()
            segment = self._stripped(text[end : match.start()], before, special)
            ids += self._encode_segment(segment, turns, first=end == 0)
            ids.append(self._special_ids[special])
            end, before = match.end(), special
        return ids + self._encode_segment(self._stripped(text[end:], before, ""), turns, first=end == 0)

    def detokenizer(self) -> Detokenizer:
        """Make a detokenizer for one reply."""
        return Detokenizer(self._tokenizer, self._pending)

    def thought_filter(self, *, thinking: bool) -> ThoughtFilter | None:
        """Make a filter for one reply; None if the template knows no thoughts."""
        within = self._opens_thought[thinking]
        return None if within is None else ThoughtFilter(within=within)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, in which nothing is special."""
        if not text:
            return []
        ids: list[int] = self._tokenizer.encode(text.replace(self._mark, ""), add_special_tokens=False).ids
        return ids

    def _content(self, number: int, turn: Turn) -> str:
        """Text for the template: a mark in place of ids that are kept, else text without special tokens."""
        if isinstance(turn, GeneratedTurn):
            return f"{self._mark}{number}\ufdd2"
        return self._special.sub(
            lambda match: match.group()[:1] + self._mark + match.group()[1:], turn.content
        )

    def _stripped(self, text: str, before: str, after: str) -> str:
        """Text between two special tokens, without the white space that belongs to those."""
        if before in self._strips_right:
            text = text.lstrip()
        return text.rstrip() if after in self._strips_left else text

    def _encode_segment(self, text: str, turns: Sequence[Turn], *, first: bool) -> list[int]:
        """Ids of text between special tokens, with the kept ids where their marks stand."""
        if first and self._space_first and text and text[0] != " ":
            text = f" {text}"
        ids: list[int] = []
        end = 0
        for match in self._reply_mark.finditer(text):
            ids += self.encode_text(text[end : match.start()])
            turn = turns[int(match.group(1))]
            assert isinstance(turn, GeneratedTurn)
            ids += turn.token_ids
            end = match.end()
        return ids + self.encode_text(text[end:])


def _take_first_space(tokenizer: Tokenizer) -> bool:
    """Whether a prompt's first text begins with a space of its own (Mistral, Llama 2).

    The tokenizer would give one to every piece that is encoded by itself, so it is told not to.
    """
    pieces = tokenizer.pre_tokenizer
    if not isinstance(pieces, Metaspace) or pieces.prepend_scheme != "first":
        return False
    tokenizer.pre_tokenizer = Metaspace(pieces.replacement, "never", pieces.split)
    return True


def _template(bundle: Bundle) -> ChatTemplate:
    path, manifest = bundle.path / CHAT_TEMPLATE, bundle.manifest
    names = manifest.special_tokens
    if names is None:  # a bundle made before
        names = {"bos_token": manifest.bos_token or "", "eos_token": manifest.eos_token or ""}
    try:
        return ChatTemplate(path.read_text(encoding="utf-8"), names)
    except (OSError, UnicodeDecodeError, TemplateError) as error:
        raise BundleError(f"{path} cannot be used: {error}") from error
