"""Our way of acting, as the node does it, asked in this process."""

from dataclasses import replace
from time import monotonic

from benchmarks.commands.contender import Answer
from edge_llm.bench.local_engine import LocalEngine
from edge_llm.bundle import Bundle
from edge_llm.config import EngineSettings, HouseSettings
from edge_llm.contract.frames import Usage
from edge_llm.contract.house import House
from edge_llm.contract.requests import Request
from edge_llm.engine.types import GenerationRequest
from edge_llm.node.acts.acting import Acting, Said

_CLIENT = "benchmark"
_ANY_TIME = GenerationRequest((), 0)
_NO_TOKENS = Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0)


class Ours:
    """The node's acting, which asks about nothing before it is done, and its engine."""

    name = "ours"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load the model.

        Raises:
            EdgeLlmError: it cannot be served.
        """
        settings = EngineSettings(bundle=bundle.path, constraints="preload")
        self._engine = LocalEngine(bundle, threads, settings)
        self._engine.__enter__()
        self._acting = Acting(HouseSettings(confirm=()))
        self.examples: frozenset[str] = frozenset()

    def prepare(self, house: House) -> None:
        """Compile a house, and prefill its prompt."""
        compiled = self._acting.use(house)
        if compiled is None:
            return
        self.examples = frozenset(turn.content for turn in compiled.prefix if turn.role == "user")
        self._engine.generate(GenerationRequest(compiled.prefix, 0, prefill_only=True)).result()

    def act(self, text: str, context_area: str | None) -> Answer:
        """Answer one sentence.

        Raises:
            EdgeLlmError: the engine failed.
        """
        began = monotonic()
        said = self._acting.begin(_CLIENT, Request(text=text, act="auto", context_area=context_area))
        usage, valid = _NO_TOKENS, True
        if said is not None and not isinstance(said, Said):
            completion = self._engine.generate(said.generation(_ANY_TIME)).result().completion
            usage, valid = completion.usage, completion.finish_reason == "stop"
            said = self._acting.conclude(said, completion)
        answer = Answer(
            calls=said.calls if said else (),
            outcome=_outcome(said),
            valid=valid,
            total_ms=1000 * (monotonic() - began),
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=usage.completion_tokens,
            forced_tokens=usage.forced_tokens,
        )
        if said is None:
            return answer
        candidates = said.outcome.candidates if said.outcome else ()
        return replace(answer, text=said.text, candidates=candidates)

    def close(self) -> None:
        """End the engine."""
        self._engine.__exit__(None, None, None)


def _outcome(said: Said | None) -> str | None:
    if said is None:
        return "spoken"  # an ordinary reply would follow
    return said.outcome.outcome if said.outcome else None
