"""Locking memory, the limit on it, and pages of 2 MB."""

import ctypes
import errno
import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_llm.errors import ConfigError
from edge_llm.host import memory
from edge_llm.host.memory import HugePages, hold_in_huge_pages, make_mappings_read_only, read_memory
from tests.unit.host.fake_host import FakeHost

PRIVATE = mmap.PROT_READ | mmap.PROT_WRITE
# Root may lock whatever it likes; nobody is held to the limit.
LOCK = """
import os, resource
from edge_llm.errors import ConfigError
from edge_llm.host.memory import lock_memory
resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
if os.geteuid() == 0:
    os.setuid(65534)
try:
    lock_memory()
except ConfigError as error:
    print(error)
"""


def test_a_limit_on_locked_memory_is_one_line_that_says_what_to_do() -> None:
    done = subprocess.run([sys.executable, "-c", LOCK], capture_output=True, text=True, check=True)
    assert "engine.mlock: the host refuses to lock the memory (Cannot allocate memory)" in done.stdout
    assert "LimitMEMLOCK=infinity" in done.stdout
    assert "ulimit -l unlimited" in done.stdout
    assert done.stdout.count("\n") == 1


def test_memory_is_read_in_bytes(host: FakeHost) -> None:
    host.write("proc/meminfo", "MemTotal:  2048 kB\nMemFree:  1 kB\nMemAvailable:  1024 kB")
    assert read_memory(host.root) == {"total_bytes": 2 << 20, "available_bytes": 1 << 20}
    assert read_memory(host.root / os.devnull.lstrip("/")) == {}


def test_what_is_made_within_is_advised_to_be_in_huge_pages_and_keeps_its_bytes() -> None:
    """``hg`` among a mapping's VmFlags (proc(5)): the kernel has taken the advice."""
    before = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with HugePages() as pages:
        within = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        within.write(b"weight" * 1000)
    pages.start()
    assert "hg" in flags_at(within)
    assert "hg" not in flags_at(before)
    pages.stop()
    assert within[:6000] == b"weight" * 1000
    assert "huge-pages" not in {thread.name for thread in threading.enumerate()}


def test_its_thread_ends_after_the_stretch_that_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    page, begun, go_on, advised = 1 << 21, threading.Event(), threading.Event(), list[tuple[int, int]]()

    def advise(start: int, _end: int, advice: int) -> None:
        advised.append((start, advice))
        if advice == memory._MADV_COLLAPSE:
            begun.set()
            assert go_on.wait(5)

    memories = iter([[(page, 9 * page)], [(0, 2 * page), (3 * page, 12 * page)]])
    monkeypatch.setattr(memory, "_anonymous_memory", lambda: next(memories))
    monkeypatch.setattr(memory, "_advise", advise)
    with HugePages() as pages:
        pass
    pages.start()
    assert begun.wait(5)
    stopper = threading.Thread(target=pages.stop)
    stopper.start()
    while not pages._stopping:
        time.sleep(0.001)
    go_on.set()
    stopper.join(5)
    assert not stopper.is_alive()
    assert [start for start, advice in advised if advice == memory._MADV_HUGEPAGE] == [0, 9 * page]
    assert [start for start, advice in advised if advice == memory._MADV_COLLAPSE] == [0]


def test_a_load_that_fails_leaves_no_thread() -> None:
    pages = HugePages()
    with pytest.raises(ValueError, match="damaged"), pages:
        raise ValueError("damaged")
    assert "huge-pages" not in {thread.name for thread in threading.enumerate()}
    pages.stop()


def test_a_mapped_file_can_be_written_no_more_and_others_can(tmp_path: Path) -> None:
    """So mlock makes no copies of its pages."""
    for name in ("weights", "other file"):
        (tmp_path / name).write_bytes(bytes(8192))
    (tmp_path / "link").symlink_to("weights")
    with (
        (tmp_path / "weights").open("rb") as file,
        (tmp_path / "other file").open("rb") as other,
        mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as mapped,
        mmap.mmap(other.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as kept,
    ):
        make_mappings_read_only(tmp_path / "link")
        assert "wr" not in flags_at(mapped)
        assert "wr" in flags_at(kept)


def test_a_mapped_file_is_held_in_huge_pages_with_its_bytes_and_others_stay(tmp_path: Path) -> None:
    content = os.urandom((8 << 20) + 100)
    for name in ("weights", "other file"):
        (tmp_path / name).write_bytes(content)
    with (
        (tmp_path / "weights").open("rb") as file,
        (tmp_path / "other file").open("rb") as other,
        mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=PRIVATE) as mapped,
        mmap.mmap(other.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=PRIVATE, offset=4096) as kept,
    ):
        hold_in_huge_pages(tmp_path / "weights")
        assert mapped[:] == content
        assert kept[:] == content[4096:8192]
        assert "wr" in flags_at(kept)
        if "[never]" not in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(encoding="ascii"):
            assert {"hg", "wr"} & set(flags_at(mapped)) == {"hg"}


def test_a_file_that_has_become_shorter_is_not_filled_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").write_bytes(b"w" * 16384)
    monkeypatch.setattr(memory, "_HUGE_PAGES_ENABLED", tmp_path / "wanted")
    with (
        (tmp_path / "weights").open("r+b") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ),
    ):
        file.truncate(4096)
        with pytest.raises(ConfigError, match=r"engine\.mlock: no copy of .*weights .*shorter"):
            hold_in_huge_pages(tmp_path / "weights")


def test_a_file_that_cannot_be_held_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").write_bytes(bytes(8192))

    def clear(_start: int, _size: int) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(memory, "_clear", clear)
    monkeypatch.setattr(memory, "_HUGE_PAGES_ENABLED", tmp_path / "wanted")
    with (
        (tmp_path / "weights").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        with pytest.raises(ConfigError, match=r"engine\.mlock: no copy of .*weights .*Cannot allocate"):
            hold_in_huge_pages(tmp_path / "weights")
        assert mapped[0] == 0


def flags_at(mapped: mmap.mmap) -> list[str]:
    """VmFlags of the mapping that the middle of ``mapped`` is in."""
    middle = ctypes.addressof(ctypes.c_char.from_buffer(mapped)) + len(mapped) // 2
    found = False
    with Path("/proc/self/smaps").open(encoding="ascii") as smaps:
        for line in smaps:
            first = line.split()[0]
            if "-" in first:
                start, end = (int(address, 16) for address in first.split("-"))
                found = start <= middle < end
            elif found and first == "VmFlags:":
                return line.split()[1:]
    raise AssertionError("not mapped")
