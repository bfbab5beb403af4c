"""Converts between text and token ids: the chat template, the tokenizer, and text out of a stream of ids."""

from collections.abc import Mapping, Sequence

from jinja2 import TemplateError
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import Metaspace

from edge_llm.bundle import CHAT_TEMPLATE, TOKENIZER, Bundle
from edge_llm.contract.tools import Tool
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.text.calls import Described, Message
from edge_llm.engine.text.detokenizer import Detokenizer, PendingIds
from edge_llm.engine.text.markup import Markup
from edge_llm.engine.text.template import ChatTemplate
from edge_llm.engine.text.thoughts import ThoughtFilter
from edge_llm.engine.text.vocabulary import Vocabulary
from edge_llm.errors import BundleError, RequestError

_THOUGHT = ("<think>", "</think>")
"""Tokens that an assistant's own text keeps: templates find by them what they leave out."""


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
        self._space_first = _take_first_space(self._tokenizer)
        self._pending = PendingIds(self._tokenizer)
        self._markup = Markup(self._tokenizer)
        self._template = _template(bundle)
        self.call_form = self._template.call_form
        """How a reply shows calls of tools."""
        self._opens_thought = [self._template.thoughts(thinking=thinking) for thinking in (False, True)]

    def encode_chat(
        self,
        turns: Sequence[Turn],
        *,
        open_reply: bool = True,
        thinking: bool = False,
        tools: Sequence[Tool] = (),
    ) -> list[int]:
        """Token ids of the conversation, with the opening of the assistant's next turn.

        Markup tokens are those that the template writes; text that spells one stays plain text, whether a
        turn's, a tool's or an argument's. A GeneratedTurn keeps its ids. ``thinking`` lets models think aloud
        that are able to.

        Raises:
            RequestError: the template refuses these messages (bad_request).
        """
        try:
            text = self._template.render(
                [self._message(number, turn) for number, turn in enumerate(turns)],
                open_reply=open_reply,
                thinking=thinking,
                tools=[self._described(tool) for tool in tools],
            )
        except (TemplateError, RecursionError) as error:
            raise RequestError("bad_request", f"the chat template refuses these messages: {error}") from error
        ids: list[int] = []
        end = 0
        before = ""
        for match in self._markup.pattern.finditer(text):
            token = match.group()
            segment = self._markup.strip(text[end : match.start()], before, token)
            ids += self._encode_segment(segment, turns, first=end == 0)
            ids.append(self._markup.ids[token])
            end, before = match.end(), token
        return ids + self._encode_segment(self._markup.strip(text[end:], before, ""), turns, first=end == 0)

    @property
    def markup(self) -> Mapping[str, int]:
        """The markup tokens with their ids."""
        return self._markup.ids

    def vocabulary(self, eos_token_id: int) -> Vocabulary:
        """Make the list of all tokens that grammars need; takes tenths of a second."""
        markup = self._markup.ids.values()
        return Vocabulary(self._tokenizer, self.encode_text, self.vocab_size, eos_token_id, markup)

    def opens_call(self, token_id: int) -> bool:
        """Tell whether a reply that begins with this token means to call a tool.

        It does so as the template writes calls, or with the JSON alone: small models forget what is around.
        """
        text = self._tokenizer.decode([token_id], skip_special_tokens=False).strip()
        opening = self.call_form.opening.strip()
        return text[:1] in ("{", "[") or bool(text and opening.startswith(text))

    def detokenizer(self) -> Detokenizer:
        """Make a detokenizer for one reply."""
        return Detokenizer(self._tokenizer, self._pending)

    def thought_filter(self, *, thinking: bool) -> ThoughtFilter | None:
        """Make a filter for one reply; None if the template knows no thoughts."""
        within = self._opens_thought[thinking]
        return None if within is None else ThoughtFilter(within=within)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, in which nothing is markup."""
        if not text:
            return []
        ids: list[int] = self._tokenizer.encode(self._markup.restore(text), add_special_tokens=False).ids
        return ids

    def _message(self, number: int, turn: Turn) -> Message:
        """The turn for the template: a mark in place of ids that are kept, else text without markup."""
        if isinstance(turn, GeneratedTurn):
            return {"role": turn.role, "content": self._markup.keep_place(number)}
        content = self._markup.break_up(turn.content)
        if turn.role == "assistant":
            for token in _THOUGHT:
                content = content.replace(self._markup.break_up(token), token)
        message: Message = {"role": turn.role, "content": content}
        if turn.tool_calls:
            message["tool_calls"] = [
                {
                    "id": self._markup.break_up(call.id),
                    "type": "function",
                    "function": self._markup.break_up({"name": call.name, "arguments": call.arguments}),
                }
                for call in turn.tool_calls
            ]
        message.update(self._markup.break_up(turn.model_dump(include={"tool_call_id", "name"})))
        return message

    def _described(self, tool: Tool) -> Described:
        """The tool for the template, without what is unset."""
        function = tool.function.model_dump(include={"name", "description", "parameters"}, exclude_none=True)
        return {"type": "function", "function": self._markup.break_up(function)}

    def _encode_segment(self, text: str, turns: Sequence[Turn], *, first: bool) -> list[int]:
        """Ids of text between markup tokens, with the kept ids where their marks stand."""
        if first and self._space_first and text and text[0] != " ":
            text = f" {text}"
        said, *kept = self._markup.split_places(text)
        ids = self.encode_text(said)
        for number, said in zip(kept[::2], kept[1::2], strict=True):
            turn = turns[int(number)]
            assert isinstance(turn, GeneratedTurn)
            ids += [*turn.token_ids, *self.encode_text(said)]
        return ids


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
