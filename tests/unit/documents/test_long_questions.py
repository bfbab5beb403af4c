"""Questions that nobody asks, and that must not end in a fault all the same."""

from pathlib import Path

import pytest

from edge_llm.documents.folder import Folder
from edge_llm.documents.index import Index


@pytest.mark.parametrize(
    "question",
    [
        " ".join(f"w{number}" for number in range(9000)),
        "fridge " * 9000,
        "冰箱" * 20000,
        "x" * 60000,
        '"',
        "NEAR(",
        "fridge* OR ^hums:",
        "\0",
        "\ud800",
    ],
)
def test_any_text_is_a_question(tmp_path: Path, question: str) -> None:
    (tmp_path / "fridge.md").write_text("# Fridge\n\nThe fridge hums when it is too full.\n")
    index = Index(None)
    Folder(tmp_path, index).scan()
    assert len(index.context(question, 2800)) <= 1
    index.close()
