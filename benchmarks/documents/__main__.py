"""The command that measures the papers: `python -m benchmarks.documents retrieval|speed|answers`."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.commands.report import percentiles
from benchmarks.documents import answers, speed
from benchmarks.documents.data import SETS, lay_papers, lay_squad, read_questions
from benchmarks.documents.retrieval import ask_all, table
from edge_llm.documents.embeddings import Embedder
from edge_llm.documents.folder import Folder
from edge_llm.documents.index import Index
from edge_llm.documents.search.vectors import Meaning
from edge_llm.errors import EdgeLlmError


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0, 1 (failed) or 2 (usage)."""
    options = _parser().parse_args(arguments)
    try:
        return {"retrieval": _retrieval, "speed": _speed, "answers": _answers}[options.what](options)
    except EdgeLlmError as error:
        print(f"benchmarks.documents: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.documents",
        description="Measure how well questions about papers are answered, on a set of our own.",
    )
    parts = parser.add_subparsers(dest="what", required=True)
    retrieval = parts.add_parser("retrieval", help="are the right passages found, and the others refused?")
    retrieval.add_argument("--set", choices=SETS, default="dev", help="which questions (default: dev)")
    retrieval.add_argument(
        "--embeddings", metavar="DIR", type=Path, help="with the embedding model of this directory too"
    )
    retrieval.add_argument(
        "--squad",
        metavar="FILE",
        type=Path,
        help="a file in the format of SQuAD, instead of our set",
    )
    retrieval.add_argument("--misses", action="store_true", help="print what was not found too")
    large = parts.add_parser("speed", help="a folder of many words: time to index and to search, memory")
    large.add_argument("--words", type=int, default=1_000_000, help="how many words (default: a million)")
    asked = parts.add_parser("answers", help="does a real node's answer hold what the paper says?")
    asked.add_argument("bundle", metavar="BUNDLE", type=Path, help="bundle of edge_llm that is served")
    asked.add_argument(
        "--answer",
        choices=("quotation", "model"),
        default="quotation",
        help="documents.answer of the service",
    )
    asked.add_argument("--set", choices=SETS, default="dev", help="which questions (default: dev)")
    return parser


def _meaning(directory: Path | None) -> Meaning | None:
    return Meaning(Embedder(directory)) if directory else None


def _retrieval(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as name:
        papers, file = Path(name, "papers"), Path(name, "index.sqlite")
        papers.mkdir()
        if options.squad:
            questions = lay_squad(options.squad, papers)
        else:
            lay_papers(papers)
            questions = read_questions(options.set)
        index = Index(file, _meaning(options.embeddings))
        Folder(papers, index).scan()
        found = ask_all(questions, index)
        index.close()
    print(options.squad or f"set {options.set}")
    print(table(found))
    took = percentiles([each.took_ms for each in found]) or {}
    print("a search: " + ", ".join(f"{name} {value} ms" for name, value in took.items()))
    for each in found if options.misses else ():
        if (each.rank is None) == (each.question.answer is not None) or (
            each.question.answer is None and each.passages
        ):
            print(f"{each.question.id} {each.question.question!r} -> {'; '.join(each.passages) or '-'}")
    return 0


def _speed(options: argparse.Namespace) -> int:
    for line in speed.measure(options.words, read_questions("dev")):
        print(line, flush=True)
    return 0


def _answers(options: argparse.Namespace) -> int:
    print(f"set {options.set}", flush=True)
    for line in answers.measure(options.bundle, read_questions(options.set), options.answer):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
