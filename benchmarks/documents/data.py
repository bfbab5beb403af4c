"""The papers of a household in three languages, and questions about them."""

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.documents.pdf import write_pdf

LANGUAGES = ("en", "de", "zh")
SETS = ("dev", "sealed")
"""``sealed``: written after the search, by somebody else, and not looked at by those who mend it."""
PAPERS = Path(__file__).with_name("papers")
QUESTIONS = Path(__file__).with_name("questions")
AS_PDF = frozenset({"en/dishwasher-warranty.txt", "en/tumble-dryer.txt", "de/mietvertrag.txt"})
"""Papers that are laid out as PDFs."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question; ``document`` and ``answer`` are None where no paper answers it."""

    id: str
    language: str
    question: str
    document: str | None
    answer: str | None
    """A string of the document that answers the question."""


def read_questions(name: str) -> list[Question]:
    """Read one of ``SETS``."""
    lines = (QUESTIONS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Question(**json.loads(line)) for line in lines]


def lay_papers(folder: Path) -> None:
    """Put all papers below ``folder``, as a household would have them."""
    for paper in sorted(PAPERS.rglob("*.*")):
        name = paper.relative_to(PAPERS).as_posix()
        laid = folder / laid_name(name)
        laid.parent.mkdir(parents=True, exist_ok=True)
        content = paper.read_bytes()
        laid.write_bytes(write_pdf(content.decode("utf-8")) if name in AS_PDF else content)


def lay_squad(file: Path, folder: Path) -> list[Question]:
    """Put the articles of a file in SQuAD's format below ``folder``; returns its questions.

    XQuAD and MLQA are of this format (Rajpurkar et al. 2016, Artetxe et al. 2020).
    """
    questions = []
    for number, article in enumerate(json.loads(file.read_bytes())["data"]):
        name = f"{number:04}.md"
        paragraphs = [paragraph["context"] for paragraph in article["paragraphs"]]
        title = f"# {article.get('title', number)}"
        folder.joinpath(name).write_text("\n\n".join([title, *paragraphs]), encoding="utf-8")
        questions += [
            Question(each["id"], "squad", each["question"], name, answer["text"])
            for paragraph in article["paragraphs"]
            for each in paragraph["qas"]
            for answer in each["answers"][:1]
        ]
    return questions


def laid_name(name: str) -> str:
    """Return the name under which a paper is laid out."""
    return str(Path(name).with_suffix(".pdf")) if name in AS_PDF else name


def plain_text(name: str) -> str:
    """Return the text of a paper without the tags of HTML, with single spaces."""
    text = (PAPERS / name).read_text(encoding="utf-8")
    return spaced(html.unescape(re.sub(r"<[^>]+>", " ", text)) if name.endswith(".html") else text)


def spaced(text: str) -> str:
    """Return the text with single spaces: a paragraph may be wrapped anywhere."""
    return " ".join(text.split())
