"""llama.cpp with llama-cpp-python's own way of calling tools, on a GGUF file, as a process of its own."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.commands.contender import Answer
from benchmarks.commands.peers.tools import CONTEXT_TOKENS, MAX_TOKENS, Api
from benchmarks.contenders import running
from edge_llm.contract.house import House
from edge_llm.errors import EdgeLlmError


class Llama:
    """It gets the same prompt and tools as ``tools.Tools``; its own library makes the calls."""

    def __init__(self, gguf: Path, python: str, threads: int, api: Api) -> None:
        """Start the process.

        Raises:
            SourceError: it failed.
        """
        self.name = "llama"
        self._api, self._house = api, House()
        self._stack = ExitStack()
        module = "benchmarks.commands.peers.llama_process"
        command: Sequence[str] = [
            python,
            "-m",
            module,
            "llama_cpp",
            str(gguf),
            str(threads),
            str(CONTEXT_TOKENS),
        ]
        self._process = self._stack.enter_context(running(self.name, command))

    def prepare(self, house: House) -> None:
        """Take this house, and have the prompt for it computed."""
        self._house = house
        with suppress(EdgeLlmError):  # what fails here fails again for each sentence, and is counted there
            self._exchange("", None, 1)

    def act(self, text: str, context_area: str | None) -> Answer:
        """Answer one sentence."""
        return self._exchange(text, context_area, MAX_TOKENS)

    def _exchange(self, text: str, context_area: str | None, max_tokens: int) -> Answer:
        system = self._api.system(self._house, context_area)
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        told = self._process.exchange(
            {"messages": messages, "tools": list(self._api.tools), "max_tokens": max_tokens}
        )
        if "failed" in told:
            raise EdgeLlmError(told["failed"])
        return self._api.answer(
            told["text"],
            told["calls"],
            total_ms=told["total_ms"],
            prompt_tokens=told["prompt_tokens"],
            cached_tokens=0,  # it does not tell
            completion_tokens=told["completion_tokens"],
            forced_tokens=0,
        )

    def close(self) -> None:
        """End the process."""
        self._stack.close()
