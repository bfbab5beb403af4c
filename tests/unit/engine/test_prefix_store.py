"""Files of pinned prefixes: what is damaged or of another bundle is left alone, with a line each."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge_llm.engine.prefix_store import PrefixStore


def test_corrupt_and_foreign_prefix_files_are_ignored_with_a_line_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shape = (4, 2, 8)
    good = PrefixStore(tmp_path, "mine", shape, 10**9)
    kv = np.random.default_rng(0).normal(size=(4, 2, 5, 8)).astype(np.float32)
    good.save([1, 2, 3, 4, 5], kv)
    good.flush()
    good.save([9, 8, 7, 6, 5], kv)
    good.flush()
    foreign = PrefixStore(tmp_path, "another bundle's", shape, 10**9)
    foreign.save([7, 7], kv[:, :, :2])
    foreign.stop()
    corrupt = min(tmp_path.glob("*.prefix"), key=lambda path: path.stat().st_mtime)
    raw = bytearray(corrupt.read_bytes())
    raw[-1] ^= 1
    corrupt.write_bytes(raw)
    (tmp_path / "empty.prefix").write_bytes(b"")
    loaded = list(good.load())
    assert [ids for ids, _ in loaded] == [[9, 8, 7, 6, 5]]
    np.testing.assert_array_equal(loaded[0][1], kv)
    events = sorted(record.message.split()[0] for record in caplog.records)
    assert events == [*2 * ["prefix_store.damaged"], "prefix_store.ignored"]
    aside = {path.name.partition(".corrupt-")[0] for path in tmp_path.glob("*.corrupt-*")}
    assert aside == {corrupt.name, "empty.prefix"}
    caplog.clear()
    assert [ids for ids, _ in good.load()] == [[9, 8, 7, 6, 5]]
    assert [record.message.split()[0] for record in caplog.records] == ["prefix_store.ignored"]
    PrefixStore(tmp_path, "mine", shape, 0)._make_room()
    assert list(tmp_path.glob("*.prefix")) == []


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 4096,
        b"[]",
        b'{"v": 1, "bundle": "mine"}',
        b'{"v": 1, "bundle": "mine", "tokens": 1e999, "sha256": ""}',
        b'{"v": 1, "bundle": "mine", "tokens": 1000000000000, "sha256": ""}',
        b'{"v": 1, "bundle": "mine", "tokens": -1, "sha256": ""}',
        b"\xff\xfe",
    ],
)
def test_no_content_of_a_file_keeps_the_node_from_starting(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "x.prefix").write_bytes(header.ljust(4096) + b"\0" * 100)
    assert list(PrefixStore(tmp_path, "mine", (4, 2, 8), 10**9).load()) == []
    assert [path.name.partition(".corrupt-")[0] for path in tmp_path.iterdir()] == ["x.prefix"]


def test_a_directory_that_cannot_be_used_is_a_log_line_and_a_problem(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "plain").write_text("")
    store = PrefixStore(tmp_path / "plain" / "x", "mine", (4, 2, 8), 10**9)
    assert list(store.load()) == []
    assert "plain is not a directory" in (store.problem or "")
    store.save([1], np.zeros((4, 2, 1, 8), np.float32))
    store.flush()
    assert store.problem
    events = [record.message.split()[0] for record in caplog.records]
    assert events == ["prefix_store.unusable", "prefix_store.not_saved"]


def test_a_prefix_that_could_not_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PrefixStore(tmp_path, "mine", (4, 2, 8), 10**9)

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("edge_llm.engine.prefix_store.os.fsync", full)
        store.save([1], np.zeros((4, 2, 1, 8), np.float32))
        store.flush()
    assert (store.problem or "").endswith("No space left on device")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "killed.partial").write_text("half")
    assert list(store.load()) == []
    store.save([1], np.zeros((4, 2, 1, 8), np.float32))
    store.flush()
    assert store.problem is None
    assert [path.suffix for path in tmp_path.iterdir()] == [".prefix"]


def test_what_is_saved_again_is_not_written_again_and_is_the_last_to_go(tmp_path: Path) -> None:
    kv = np.random.default_rng(0).normal(size=(4, 2, 5, 8)).astype(np.float32)
    store = PrefixStore(tmp_path, "mine", (4, 2, 8), 10**9)
    for first in (1, 2, 1):
        store.save([first, 2, 3, 4, 5], kv)
        store.flush()
        inodes = {path.stat().st_ino for path in tmp_path.iterdir()}
        time.sleep(0.02)  # the file system's clock is coarse
    assert [ids[0] for ids, _ in store.load()] == [2, 1]
    store.save([1, 2, 3, 4, 5], kv)
    store.stop()
    assert {path.stat().st_ino for path in tmp_path.iterdir()} == inodes
    size = next(tmp_path.iterdir()).stat().st_size
    smaller = PrefixStore(tmp_path, "mine", (4, 2, 8), size)
    smaller._make_room()
    assert [ids[0] for ids, _ in smaller.load()] == [1]


def test_it_is_not_written_on_the_core_of_the_thread_that_saves(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, "mine", (4, 2, 8), 10**9)

    def save() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        store.save([1], np.zeros((4, 2, 1, 8), np.float32))

    saver = threading.Thread(target=save)
    saver.start()
    saver.join()
    store.flush()
    (writer,) = (thread for thread in threading.enumerate() if thread.name.startswith("prefix-store"))
    assert writer.native_id
    assert os.sched_getaffinity(writer.native_id) == os.sched_getaffinity(0)
    store.stop()
    assert not writer.is_alive()
