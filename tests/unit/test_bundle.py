"""A bundle takes another's place in one step, and leaves nothing behind."""

from pathlib import Path

import pytest

from edge_llm import bundle
from edge_llm.bundle import MANIFEST, new_bundle


def install(path: Path, text: str) -> None:
    with new_bundle(path) as directory:
        (directory / MANIFEST).write_text(text)


@pytest.mark.parametrize("at_once", [True, False], ids=["exchanged", "renamed twice"])
def test_a_new_bundle_takes_the_old_ones_place(
    at_once: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not at_once:
        monkeypatch.setattr(bundle, "_exchange", lambda *_: False)
    for text in ("first", "second"):
        install(tmp_path / "b", text)
        assert (tmp_path / "b" / MANIFEST).read_text() == text
        assert list(tmp_path.iterdir()) == [tmp_path / "b"]


def test_there_is_a_bundle_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that may be cut by a power failure stands between two renames."""
    install(tmp_path / "b", "first")
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("a second step"))
    install(tmp_path / "b", "second")
    assert (tmp_path / "b" / MANIFEST).read_text() == "second"


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    install(tmp_path / "release", "first")
    (tmp_path / "current").symlink_to(tmp_path / "release")
    install(tmp_path / "current", "second")
    assert {path.name for path in tmp_path.iterdir()} == {"release", "current"}
    assert (tmp_path / "release" / MANIFEST).read_text() == "first"
    assert (tmp_path / "current" / MANIFEST).read_text() == "second"
