"""Asks a real node through a real `edge-llm documents`: does the answer hold what the paper says?"""

import os
import re
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

from benchmarks.commands.report import wilson
from benchmarks.documents.data import Question, lay_papers
from edge_llm.client import Client, MqttSettings
from edge_llm.config import DOCUMENTS_ID, ENV_PREFIX
from edge_llm.contract.frames import Done
from edge_llm.demo.processes import NODE, process, running_broker, running_service
from edge_llm.documents.folder import Folder
from edge_llm.documents.index import Index
from edge_llm.documents.words import words_of

_MAX_TOKENS = 80
_BUDGET = 2800
"""Characters of passages, about as many as the service's 700 tokens."""
_MOST_WORDS = 0.8
_PAIRS = 8


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and what came back."""

    question: Question
    done: Done

    @property
    def refused(self) -> bool:
        """Whether the service, or the model, says that it is not in the papers, or not for certain."""
        words = words_of(self.question.language)
        said = _letters(self.done.text)
        return any(_letters(each) in said for each in (words.absent, words.nearest))

    @property
    def holds(self) -> bool:
        """Whether the answer holds the wanted words as they stand in the paper."""
        return _letters(self.question.answer or "") in _letters(self.done.text)

    @property
    def holds_most(self) -> bool:
        """Whether it holds most of the wanted words, in any order."""
        wanted, said = _words(self.question.answer or ""), set(_words(self.done.text))
        return sum(word in said for word in wanted) >= _MOST_WORDS * len(wanted)


@contextmanager
def running_documents(mqtt: MqttSettings, papers: Path, language: str, answer: str) -> Iterator[Client]:
    """Run `edge-llm documents` that answers in ``language`` by ``answer``; yields a client of it."""
    with tempfile.TemporaryDirectory() as name:
        settings = {f"mqtt__{key}": getattr(mqtt, key) for key in ("host", "port", "protocol")}
        settings |= {"documents__file": Path(name, "index.sqlite"), "documents__answer": answer}
        settings |= {"house__language": language}
        others = {key: value for key, value in os.environ.items() if not key.startswith(ENV_PREFIX)}
        others |= {ENV_PREFIX + key.upper(): str(value) for key, value in settings.items()}
        command = [sys.executable, "-m", "edge_llm.cli", "documents", "--folder", str(papers), "--node", NODE]
        log = Path(name, "documents.log")
        with process(command, log, others), Client(mqtt, DOCUMENTS_ID, "benchmark") as client:
            client.wait_online()
            yield client


def measure(bundle: Path, questions: Sequence[Question], answer: str) -> Iterator[str]:
    """Ask for answers by ``answer``; yield the report's lines, and at last what does not hold the words."""
    answered: list[Answered] = []
    with (
        tempfile.TemporaryDirectory() as name,
        running_broker() as mqtt,
        running_service(mqtt, bundle, {}),
    ):
        papers = Path(name, "papers")
        lay_papers(papers)
        for language in dict.fromkeys(each.language for each in questions):
            own = [each for each in questions if each.language == language]
            with running_documents(mqtt, papers, language, answer) as client:
                if answer == "model" and not answered:
                    yield from _warm(client, _pairs(papers, own))
                answered += [Answered(each, _ask(client, each)) for each in own]
    yield from _report(answered)
    for each in answered:
        if each.question.answer and not each.holds:
            yield f"{each.question.id} {each.question.answer!r}: {each.done.text!r}"


def _ask(client: Client, question: Question) -> Done:
    return client.ask(question.question, max_tokens=_MAX_TOKENS, temperature=0, timeout_s=300)


def _pairs(papers: Path, questions: Sequence[Question]) -> list[tuple[Question, Question]]:
    """Find questions with other words whose best passages are in the same chapter."""
    index = Index(None)
    Folder(papers, index).scan()
    begins: dict[str, list[Question]] = {}
    for question in questions:
        if context := index.context(question.question, _BUDGET):
            begins.setdefault(f"{context[0].document} {context[0].text}", []).append(question)
    index.close()
    found = [next(combinations(same, 2)) for same in begins.values() if len(same) > 1]
    return found[:_PAIRS]


def _warm(client: Client, pairs: Sequence[tuple[Question, Question]]) -> Iterator[str]:
    client.ask("Hello", temperature=0, max_tokens=4)
    firsts, seconds = zip(*[(_ask(client, one), _ask(client, other)) for one, other in pairs], strict=True)
    yield f"{len(pairs)} pairs of questions to the same chapter (medians):"
    for name, asked in (("first", firsts), ("second", seconds)):
        tokens, cached, ttft = (
            median(values)
            for values in zip(
                *((e.usage.prompt_tokens, e.usage.cached_tokens, e.timing_ms.ttft) for e in asked),
                strict=True,
            )
        )
        yield f"  {name}: {tokens:.0f} tokens of prompt, {cached:.0f} cached, first token after {ttft:.0f} ms"


def _report(answered: Sequence[Answered]) -> Iterator[str]:
    languages = list(dict.fromkeys(each.question.language for each in answered))
    for name in (*languages, "all"):
        some = [each for each in answered if name in {each.question.language, "all"}]
        wanted = [each for each in some if each.question.answer]
        others = [each for each in some if not each.question.answer]
        right = sum(each.holds for each in wanted)
        low, high = wilson(right, len(wanted))
        yield (
            f"{name}: {right} of {len(wanted)} answers hold the wanted words ({low:.0f} to {high:.0f} %),"
            f" {sum(each.holds_most for each in wanted)} most of them;"
            f" {sum(each.refused for each in others)} of {len(others)} refused that no paper answers"
        )


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def _letters(text: str) -> str:
    return "".join(_words(text))
