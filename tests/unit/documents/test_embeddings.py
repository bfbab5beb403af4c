"""Passages that are found by what they mean, with a model of eight words made here."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from edge_llm.documents.embeddings import MODEL, PROMPTS, TOKENIZER, Embedder
from edge_llm.documents.folder import Folder
from edge_llm.documents.index import Index
from edge_llm.documents.search.vectors import Meaning, merge
from edge_llm.errors import ConfigError

WORDS = ("[pad]", "[unk]", "wug", "cat", "blick", "couch", "rain", "query:", "passage:")
MEANINGS = {"wug": 2, "cat": 2, "blick": 3, "couch": 3, "rain": 4}
PAPERS = {
    "pets.md": "# Pets\n\nA cat may be kept.",
    "chairs.md": "# Chairs\n\nThe couch is cleaned with foam.",
    "weather.md": "# Weather\n\nThe rain fills the barrel.",
}


def write_embedder(path: Path, *, scale: float = 1.0) -> Path:
    """A model whose words of one meaning have one vector; all other words have none."""
    path.mkdir(parents=True, exist_ok=True)
    table = np.zeros((len(WORDS), 6), dtype=np.float32)
    for word, meaning in MEANINGS.items():
        table[WORDS.index(word), meaning] = scale
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "t", 6])
    node = helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])
    graph = helper.make_graph([node], "words", inputs, [output], [numpy_helper.from_array(table, "table")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path / MODEL))
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token=WORDS[1]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "removed")
    tokenizer.save(str(path / TOKENIZER))
    return path


@pytest.fixture
def embedder(tmp_path: Path) -> Embedder:
    return Embedder(write_embedder(tmp_path / "model"))


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name, text in PAPERS.items():
        folder.joinpath(name).write_text(text)
    return folder


def found(index: Index, question: str) -> list[str]:
    return [passage.document for passage in index.search(question)]


def vectors(file: Path) -> int:
    with sqlite3.connect(file) as db:
        count: int = db.execute("SELECT count(*) FROM vectors").fetchone()[0]
    return count


def test_a_vector_has_length_one_and_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    alone = embedder.passages(["the cat"])[0]
    beside = embedder.passages(["the cat", "rain on the couch and on the cat"])
    assert np.array_equal(alone, beside[0])
    assert np.allclose(np.linalg.norm(beside, axis=1), 1.0)
    assert np.array_equal(embedder.question("wug"), alone)


def test_what_the_model_wants_before_a_question_is_put_there(tmp_path: Path) -> None:
    directory = write_embedder(tmp_path / "model")
    prompts = {"prompts": {"query": "wug ", "document": "rain "}}
    directory.joinpath(PROMPTS).write_text(json.dumps(prompts))
    embedder = Embedder(directory)
    assert np.array_equal(embedder.question("?"), Embedder(write_embedder(tmp_path / "x")).question("cat"))
    assert embedder.passages(["?"])[0][MEANINGS["rain"]] == 1.0


def test_a_passage_is_found_that_shares_no_word_with_the_question(papers: Path, embedder: Embedder) -> None:
    plain, index = Index(None), Index(None, Meaning(embedder))
    for each in (plain, index):
        Folder(papers, each).scan()
    assert found(plain, "wug") == []
    assert found(index, "wug")[0] == "pets.md"
    assert index.context("blick", 1000)[0].document == "chairs.md"
    assert found(index, "who was that") == []


def test_vectors_come_and_go_with_their_passages(papers: Path, tmp_path: Path, embedder: Embedder) -> None:
    file = tmp_path / "index.sqlite"
    plain = Index(file)
    Folder(papers, plain).scan()  # what was read before embeddings were switched on gets its vectors too
    plain.close()
    index = Index(file, Meaning(embedder))
    folder = Folder(papers, index)
    folder.scan()
    assert vectors(file) == 3
    papers.joinpath("pets.md").unlink()
    papers.joinpath("chairs.md").write_text("# Chairs\n\nNow a wug sits there.")
    folder.scan()
    assert vectors(file) == 2
    assert found(index, "cat")[0] == "chairs.md"
    index.close()


def test_another_model_makes_its_vectors_anew(papers: Path, tmp_path: Path, embedder: Embedder) -> None:
    file = tmp_path / "index.sqlite"
    index = Index(file, Meaning(embedder))
    Folder(papers, index).scan()
    index.close()
    Index(file, Meaning(embedder)).close()
    assert vectors(file) == 3
    other = Embedder(write_embedder(tmp_path / "other", scale=2.0))
    Index(file, Meaning(other)).close()
    assert vectors(file) == 0


def test_rankings_are_merged_by_reciprocal_rank() -> None:
    assert merge([[1, 2, 3], [3, 4]]) == [3, 1, 2, 4]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: model.joinpath(MODEL).unlink(),
        lambda model: model.joinpath(TOKENIZER).write_text("{}"),
        lambda model: model.joinpath(PROMPTS).write_text("[]"),
    ],
)
def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    model = write_embedder(tmp_path / "model")
    spoil(model)
    with pytest.raises(ConfigError, match=r"documents\.embeddings .*/model: model\.onnx and tokenizer\.json"):
        Embedder(model)
