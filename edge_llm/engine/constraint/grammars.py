"""Makes the constraints of requests on a thread of its own, which is not the engine's."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from edge_llm.contract.tools import NamedTool, Schema
from edge_llm.engine.constraint.calls import CallReader
from edge_llm.engine.constraint.constraint import Constraint
from edge_llm.engine.constraint.grammar import call_grammar, json_grammar
from edge_llm.engine.constraint.matcher import Matcher
from edge_llm.engine.constraint.schema import bounded, ends
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import GenerationRequest
from edge_llm.errors import RequestError
from edge_llm.event_log import EventLog
from edge_llm.host.memory import release_free_memory

log = EventLog(__name__)

_KEPT = 32
"""Maximum number of compiled grammars that are kept, the last used."""
_LONGEST_REASON = 200
Ready = Callable[[Constraint | RequestError], None]


class Grammars:
    """Compiles grammars, each distinct one once; the tokenizer's side of it is built for the first."""

    def __init__(self, tokenizer: ChatTokenizer, eos_token_ids: tuple[int, ...]) -> None:
        """Build nothing yet: that takes a second and tens of megabytes, and no thread is started."""
        self._tokenizer = tokenizer
        self._eos = eos_token_ids
        self._thread = ThreadPoolExecutor(1, "constraint")
        self._vocabulary: LLTokenizer | None = None
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()

    def preload(self) -> Future[LLTokenizer]:
        """Begin to build the tokenizer's side, before a request needs it."""
        return self._thread.submit(self._build)

    def make(self, request: GenerationRequest, ready: Ready) -> None:
        """Call ``ready`` with the constraint of ``request``, or with why there is none, on the own thread."""

        def work() -> None:
            try:
                made: Constraint | RequestError = self._make(request)
            except RequestError as error:
                made = error
            except Exception:
                log.exception("constraint.failed")
                made = RequestError("internal", "the grammar could not be made; see the node's log")
            ready(made)

        self._thread.submit(work)

    def stop(self) -> None:
        """End the thread; what waits for it gets nothing any more."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _build(self) -> LLTokenizer:
        if self._vocabulary is None:
            vocabulary = self._tokenizer.vocabulary(self._eos[0])
            self._vocabulary = LLTokenizer(
                TokenizerWrapper(vocabulary),
                n_vocab=self._tokenizer.vocab_size,
                eos_token=list(self._eos),
            )
            vocabulary.tokens.clear()  # they are in its tree now
            release_free_memory()
        return self._vocabulary

    def _make(self, request: GenerationRequest) -> Constraint:
        grammar = self._grammar(request)
        matcher = self._compiled.get(grammar)
        if matcher is None:
            _check_parts(request)
            matcher = self._compile(grammar)
            self._compiled[grammar] = matcher
            if len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(grammar)
        followed = Matcher(matcher.deep_copy(), self._tokenizer.vocab_size)
        if request.response_schema is not None:
            return Constraint(followed, measured=request.measured)
        form, may_speak = self._tokenizer.call_form, request.tool_choice == "auto"
        return Constraint(
            followed,
            CallReader(form),
            self._tokenizer.opens_call if may_speak else None,
            self._tokenizer.markup.get(form.opening.strip()),
        )

    def _grammar(self, request: GenerationRequest) -> str:
        if request.response_schema is not None:
            return json_grammar(request.response_schema)
        named = request.tool_choice if isinstance(request.tool_choice, NamedTool) else None
        tools = [tool for tool in request.tools if named is None or tool.function.name == named.name]
        form, markup = self._tokenizer.call_form, self._tokenizer.markup
        return call_grammar(tools, form, markup, several=named is None)

    def _compile(self, grammar: str) -> LLMatcher:
        limits = LLParserLimits(verbose_errors=False)
        matcher = LLMatcher(self._build(), LLMatcher.grammar_from_lark(grammar), log_level=0, limits=limits)
        if matcher.is_error():
            raise RequestError("bad_request", f"its tools or its schema: {_first_line(matcher.get_error())}")
        return matcher


def _check_parts(request: GenerationRequest) -> None:
    """Raise RequestError (bad_request), naming the place, for a schema that cannot be kept to."""
    if request.response_schema is not None:
        _check_schema("response_format.schema", request.response_schema)
        return
    for number, tool in enumerate(request.tools):
        if tool.function.parameters:
            _check_schema(f"tools.{number}.function.parameters", tool.function.parameters)


def _check_schema(place: str, schema: Schema) -> None:
    try:
        grammar = LLMatcher.grammar_from_json_schema(bounded(schema))
        reason = LLMatcher.validate_grammar(grammar)
    except (ValueError, RecursionError) as error:
        reason = str(error)
    if not reason and not ends(schema):
        reason = "no JSON keeps to it: it requires itself without end"
    if reason:
        raise RequestError("bad_request", f"{place}: {_first_line(reason)}")


def _first_line(reason: str) -> str:
    return reason.partition("\n")[0][:_LONGEST_REASON]
