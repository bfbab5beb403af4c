"""The machine's memory, and keeping this process's part of it from being paged out."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from edge_llm.errors import ConfigError
from edge_llm.host.files import read_text

_MCL_CURRENT = 1
_M_ARENA_MAX = -8
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
_HUGE_PAGE = 1 << 21


def lock_memory() -> None:
    """Lock what this process holds now, model included, into memory until it ends.

    Raises:
        ConfigError: the limit on locked memory forbids it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT):
        reason = os.strerror(ctypes.get_errno())
        raise ConfigError(
            f"engine.mlock: the host refuses to lock the memory ({reason}); set LimitMEMLOCK=infinity in the"
            " unit (in a shell ulimit -l unlimited, for Docker --ulimit memlock=-1), or engine.mlock: false"
        )


def share_heap() -> None:
    """Let all threads allocate from one heap: a heap for each keeps tens of MB of holes in the long run.

    To be called before there are threads; without effect where the C library is not glibc (mallopt(3)).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)


def release_free_memory() -> None:
    """Give back to the system what the C library holds unused; without effect where that is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


@contextmanager
def huge_pages() -> Iterator[None]:
    """Put what the block allocates and keeps into pages of 2 MB, in place.

    A step of the model reads all of its weights, and looking up 4 KB pages is a noticeable part of that.
    A thread does it afterwards, for it takes up to a second, where the kernel can (MADV_COLLAPSE, Linux 6.1);
    elsewhere the kernel does when it comes by. Without effect where it does not want to
    (/sys/kernel/mm/transparent_hugepage/enabled is ``never``).
    """
    before = _anonymous_memory()
    yield
    new = list(_without(_anonymous_memory(), before))
    _advise(new, _MADV_HUGEPAGE)
    Thread(target=_advise, args=(new, _MADV_COLLAPSE), name="huge-pages", daemon=True).start()


def _advise(stretches: list[tuple[int, int]], advice: int) -> None:
    """madvise(2) on the whole huge pages in each stretch; one that is unmapped by now is left alone."""
    madvise = ctypes.CDLL(None).madvise
    for start, end in stretches:
        first, last = -(-start // _HUGE_PAGE) * _HUGE_PAGE, end // _HUGE_PAGE * _HUGE_PAGE
        if first < last:
            madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), advice)


def _anonymous_memory() -> list[tuple[int, int]]:
    """Where each stretch of this process's memory begins and ends that no file stands behind, in order."""
    stretches = []
    for line in read_text(Path("/proc/self/maps")).splitlines():
        addresses, permissions, _offset, _device, inode, *_name = line.split()
        if permissions == "rw-p" and inode == "0":
            start, end = (int(address, 16) for address in addresses.split("-"))
            stretches.append((start, end))
    return stretches


def _without(stretches: list[tuple[int, int]], taken: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What is left of ``stretches`` when those ``taken`` are cut out; both in order."""
    for start, end in stretches:
        left = start
        for cut_start, cut_end in taken:
            if cut_start < end and left < cut_end:
                if left < cut_start:
                    yield left, cut_start
                left = max(left, cut_end)
        if left < end:
            yield left, end


def read_memory(root: Path = Path("/")) -> dict[str, int]:
    """``total_bytes`` and ``available_bytes`` of /proc/meminfo; what it lacks is left out."""
    names = {"MemTotal": "total_bytes", "MemAvailable": "available_bytes"}
    fields = (line.split() for line in read_text(root / "proc/meminfo").splitlines())
    return {names[name]: int(kib[0]) * 1024 for label, *kib in fields if (name := label.rstrip(":")) in names}
