"""Reads the machine's memory, and governs this process's: locked, in huge pages, given back."""

import ctypes
import errno
import os
from collections.abc import Iterable, Iterator
from io import FileIO
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PAGESIZE, PROT_READ, PROT_WRITE
from pathlib import Path
from threading import Thread
from typing import Self

from edge_llm.errors import ConfigError
from edge_llm.host.files import read_text

_MCL_CURRENT, _MCL_ONFAULT = 1, 4
_M_ARENA_MAX = -8
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
_MAP_FIXED = 16
_HUGE_PAGE = 1 << 21
_HUGE_PAGES_ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def lock_memory() -> None:
    """Lock all of this process's present memory, the model included, until the process ends.

    A page that was never used is locked when it is: contexts that nobody fills take no memory.

    Raises:
        ConfigError: the limit on locked memory forbids it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_ONFAULT):
        reason = os.strerror(ctypes.get_errno())
        raise ConfigError(
            f"engine.mlock: the host refuses to lock the memory ({reason}); set LimitMEMLOCK=infinity in the"
            " unit (in a shell ulimit -l unlimited, for Docker --ulimit memlock=-1), or engine.mlock: false"
        )


def make_mappings_read_only(file: Path) -> None:
    """Forbid this process to write where it has ``file`` mapped (mprotect(2)).

    mlock(2) gives a process copies of its own of all pages of a private mapping that it might write to.
    """
    _make_read_only(_mappings(file))


def _make_read_only(stretches: Iterable[tuple[int, int, int]]) -> None:
    for start, end, _offset in stretches:
        ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), ctypes.c_size_t(end - start), PROT_READ)


def hold_in_huge_pages(file: Path) -> None:
    """Replace this process's mappings of ``file`` by copies in memory of its own, in pages of 2 MB.

    Most kernels map files in pages of 4 KB. To be called while nobody reads there; it can only be read
    afterwards. Without effect where the kernel wants no huge pages.

    Raises:
        ConfigError: there is no memory for the copies, or the file cannot be read.
    """
    stretches = list(_mappings(file))
    if not stretches or "[never]" in read_text(_HUGE_PAGES_ENABLED):
        return
    try:
        for start, end, _offset in stretches:
            _clear(start, end - start)
        # Filled when all are there: neighbours are one stretch by now, and share its huge pages.
        with file.open("rb", buffering=0) as source:
            for start, end, offset in stretches:
                source.seek(offset)
                _fill(start, end - start, source)
    except OSError as error:
        raise ConfigError(f"engine.mlock: no copy of {file} in memory: {error.strerror}") from error
    _make_read_only(stretches)


def _clear(start: int, size: int) -> None:
    """Replace memory by zeros, and advise the kernel to put them in huge pages."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    address, length, offset = ctypes.c_void_p(start), ctypes.c_size_t(size), ctypes.c_long(0)
    flags = MAP_PRIVATE | MAP_ANONYMOUS | _MAP_FIXED
    if libc.mmap(address, length, PROT_READ | PROT_WRITE, flags, -1, offset) != start:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    libc.madvise(address, length, _MADV_HUGEPAGE)


def _fill(start: int, size: int, source: FileIO) -> None:
    left = memoryview((ctypes.c_char * size).from_address(start)).cast("B")
    while count := source.readinto(left):
        left = left[count:]
    if len(left) >= PAGESIZE:  # a file may end within its last page
        raise OSError(errno.EIO, "it has become shorter")


def _mappings(file: Path) -> Iterator[tuple[int, int, int]]:
    """Yield beginning, end and offset in ``file`` of each stretch of memory that it is mapped to."""
    name = str(file.resolve())
    for line in read_text(Path("/proc/self/maps")).splitlines():
        addresses, _permissions, offset, _device, _inode, *path = line.split(maxsplit=5)
        if path == [name]:
            start, end = (int(address, 16) for address in addresses.split("-"))
            yield start, end, int(offset, 16)


def share_heap() -> None:
    """Let all threads allocate from one heap: a heap for each keeps tens of MB of holes in the long run.

    To be called before there are threads; without effect where the C library is not glibc (mallopt(3)).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)


def release_free_memory() -> None:
    """Give the C library's unused memory back to the system; without effect where that is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


class HugePages:
    """Puts the memory that is allocated and kept within ``with`` into pages of 2 MB, in place.

    A step of the model reads all of its weights, and looking up 4 KB pages is a noticeable part of that.
    ``start`` begins a thread that does it, for it takes up to a second, where the kernel can (MADV_COLLAPSE,
    Linux 6.1); elsewhere the kernel does when it comes by. Without effect where it does not want to
    (/sys/kernel/mm/transparent_hugepage/enabled is ``never``). ``stop`` ends the thread.
    """

    def __init__(self) -> None:
        """Prepare for one use in ``with``."""
        self._before: list[tuple[int, int]] = []
        self._new: list[tuple[int, int]] = []
        self._stopping = False
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        """Note the memory that there is already."""
        self._before = _anonymous_memory()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        """Advise the kernel on what is new; after an exception do nothing."""
        if failed:
            return
        self._new = list(_without(_anonymous_memory(), self._before))
        for start, end in self._new:
            _advise(start, end, _MADV_HUGEPAGE)

    def start(self) -> None:
        """Begin with what is new."""
        self._thread = Thread(target=self._collapse, args=(self._new,), name="huge-pages")
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the stretch of memory that it is at."""
        self._stopping = True
        if self._thread:
            self._thread.join()

    def _collapse(self, stretches: list[tuple[int, int]]) -> None:
        for start, end in stretches:
            if self._stopping:
                return
            _advise(start, end, _MADV_COLLAPSE)


def _advise(start: int, end: int, advice: int) -> None:
    """Call madvise(2) for the whole huge pages of a stretch; one that is unmapped by now is left alone."""
    first, last = -(-start // _HUGE_PAGE) * _HUGE_PAGE, end // _HUGE_PAGE * _HUGE_PAGE
    if first < last:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), advice)


def _anonymous_memory() -> list[tuple[int, int]]:
    """Beginning and end of each stretch of this process's memory that no file stands behind, in order."""
    stretches = []
    for line in read_text(Path("/proc/self/maps")).splitlines():
        addresses, permissions, _offset, _device, inode, *_name = line.split()
        if permissions == "rw-p" and inode == "0":
            start, end = (int(address, 16) for address in addresses.split("-"))
            stretches.append((start, end))
    return stretches


def _without(stretches: list[tuple[int, int]], taken: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Cut the stretches ``taken`` out of ``stretches``; both in order."""
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
