"""The settings of `edge-llm documents`: which papers it reads, and where it keeps its index of them."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_llm.config.identifier import Identifier

DOCUMENTS_ID = "documents"


class DocumentsSettings(BaseModel):
    """The household's papers, and the service that answers from them: `edge-llm documents`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = Field(None, description="folder of the papers: .md, .txt, .html and .pdf files")
    file: Path | None = Field(
        None,
        description="sqlite file of the index; default: documents.sqlite in the service's state directory,"
        " else in memory",
    )
    id: Identifier = Field(
        DOCUMENTS_ID, description="name of the service in its topics: a node id of its own"
    )
    answer: Literal["quotation", "model"] = Field(
        "quotation",
        description="how a question is answered: `quotation`, by the lines of the papers that fit best, word"
        " for word; `model`, by the node in its own words, from whole passages",
    )
    context_tokens: int = Field(
        700, ge=100, le=32768, description="maximum length of the passages before a question to the model"
    )
    embeddings: Path | None = Field(
        None,
        description="directory of a sentence embedding model, with model.onnx and tokenizer.json: passages"
        " are found by their meaning too; default: by their words alone",
    )
