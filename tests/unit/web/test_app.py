"""The page's files, and what neither they nor an API have."""

from pathlib import Path

import pytest

from edge_llm.web import app
from tests.unit.web.parts import Web


@pytest.fixture(params=[True, False], ids=["built", "not built"])
def is_built(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param:
        (tmp_path / "index.html").write_text("the page")
    monkeypatch.setattr(app, "STATIC", tmp_path)
    return bool(request.param)


def test_the_page_is_served_where_it_is_built(is_built: bool) -> None:  # noqa: FBT001 - a fixture
    answer = Web().get("/")
    assert answer.status_code == (200 if is_built else 404)
    assert ("the page" if is_built else "scripts/web") in answer.text


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/generate", "/v1/", "/v1/chat"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_an_api_does_not_have_is_not_found(is_built: bool, method: str, path: str) -> None:  # noqa: FBT001 - a fixture
    answer = Web().call(method, path)
    assert answer.status_code == 404
    assert "error" in answer.json()
