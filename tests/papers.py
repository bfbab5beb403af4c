"""A household's papers, and a real `edge-llm documents` that answers from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_llm.config import DOCUMENTS_ID
from edge_llm.contract.topics import Topics
from tests.processes import Documents, HasPort

DOCUMENTS = Topics("edge_llm", DOCUMENTS_ID)
PAPERS = {
    "dishwasher.md": "# Dishwasher\n\n## Error codes\n\nE15: there is water in the base. Close the tap.\n\n"
    "## Care\n\nRinse the filter under the tap once a month.\n",
    "heating.txt": "The heating circuit is filled to 1.5 bar. The valve is behind the boiler.\n",
}


@contextmanager
def served_papers(broker: HasPort, directory: Path) -> Iterator[Documents]:
    """Serve them from a folder in ``directory``."""
    folder = directory / "papers"
    folder.mkdir()
    for name, text in PAPERS.items():
        (folder / name).write_text(text)
    file = directory / "index.sqlite"
    documents = Documents(
        broker.port,
        None,
        directory / "log",
        documents__folder=folder,
        documents__file=file,
        documents__answer="model",
    )
    try:
        documents.wait_serving()
        yield documents
    finally:
        if documents.process.poll() is None:
            documents.stop()
