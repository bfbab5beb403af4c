"""Keeps the index as the folder is: reads what is new or has changed, removes what is gone."""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from time import monotonic

from edge_llm.documents.index import Index
from edge_llm.documents.reading.blocks import UnreadableError
from edge_llm.documents.reading.files import ENDINGS, open_regular, read_file
from edge_llm.documents.search.tables import FileMark
from edge_llm.errors import EdgeLlmError
from edge_llm.event_log import EventLog
from edge_llm.state.file import words_of

log = EventLog(__name__)

THREAD = "documents-folder"
"""Name of the thread that watches the folder."""
MAX_FILES = 20_000
"""More files than these are not read."""
_MAX_DEPTH = 16
_LOOK_EVERY_S = 5.0
"""Seconds between two looks at the folder."""
_LEAST_REST = 50
"""A look that takes a second is followed by at least this many seconds without one."""

Progress = Callable[[int, int], None]
"""Called with how many of how many changed files are done."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as the directory has it."""

    file: Path
    mtime_ns: int
    size: int
    ctime_ns: int


class Folder:
    """The folder of papers; one thread at a time may scan it."""

    def __init__(self, folder: Path, index: Index, progress: Progress | None = None) -> None:
        """Keep ``index`` as ``folder`` is."""
        self._folder = folder
        self._index = index
        self._progress = progress
        self._closed = threading.Event()
        self.was_read = threading.Event()
        """Set once the index has been as the folder is."""
        self._thread: threading.Thread | None = None
        self._failed: dict[str, int] = {}
        """Files that could not be opened, and when they were changed last: they are logged once."""
        self._problem = ""

    def scan(self) -> None:
        """Bring the index up to date once.

        Raises:
            EdgeLlmError: the folder cannot be read, or the index cannot be used.
        """
        seen, unknown = self._look()
        marks = self._index.marks()
        for path in marks.keys() - seen.keys():
            if not any(path.startswith(place) for place in unknown):
                self._index.remove(path)
                log.info("documents.removed", document=path)
        self._failed = {path: time for path, time in self._failed.items() if path in seen}
        changed = [
            path for path, each in sorted(seen.items()) if self._has_changed(path, each, marks.get(path))
        ]
        for number, path in enumerate(changed):
            if self._closed.is_set():
                return
            self._update(path, seen[path], marks.get(path))
            if self._progress:
                self._progress(number + 1, len(changed))
        self.was_read.set()

    def watch(self) -> None:
        """Scan the folder every few seconds, on a thread of its own that ends with ``close``."""
        self._thread = threading.Thread(target=self._watch, name=THREAD, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching, after the file that is being read."""
        self._closed.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _watch(self) -> None:
        while not self._closed.is_set():
            begin = monotonic()
            try:
                self.scan()
                self._problem = ""
            except EdgeLlmError as error:
                if self._problem != str(error):
                    self._problem = str(error)
                    log.error("documents.folder", reason=self._problem)  # noqa: TRY400 - no traceback
            self._closed.wait(max(_LOOK_EVERY_S, _LEAST_REST * (monotonic() - begin)))

    def _look(self) -> tuple[dict[str, _Seen], list[str]]:
        """Find the files to read, by path, and the directories that cannot be read now."""
        seen: dict[str, _Seen] = {}
        unknown: list[str] = []
        waiting = [(self._folder, "", 0)]
        while waiting:
            directory, below, depth = waiting.pop()
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") or entry.is_symlink():
                            continue
                        # A name may have bytes that are no UTF-8.
                        path = below + os.fsencode(entry.name).decode("utf-8", "backslashreplace")
                        if entry.is_dir(follow_symlinks=False):
                            if depth < _MAX_DEPTH:
                                waiting.append((Path(entry.path), f"{path}/", depth + 1))
                        elif PurePosixPath(path).suffix.lower() in ENDINGS and len(seen) < MAX_FILES:
                            self._see(entry, path, seen)
            except OSError as error:
                if not below:
                    raise EdgeLlmError(
                        f"the folder {self._folder} cannot be read: {words_of(error)}"
                    ) from error
                unknown.append(below)
        return seen, unknown

    @staticmethod
    def _see(entry: os.DirEntry[str], path: str, seen: dict[str, _Seen]) -> None:
        if entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            seen[path] = _Seen(Path(entry.path), status.st_mtime_ns, status.st_size, status.st_ctime_ns)

    def _has_changed(self, path: str, seen: _Seen, mark: FileMark | None) -> bool:
        if self._failed.get(path) == seen.ctime_ns:
            return False
        return mark is None or (mark.mtime_ns, mark.size) != (seen.mtime_ns, seen.size)

    def _update(self, path: str, seen: _Seen, before: FileMark | None) -> None:
        try:
            with open_regular(seen.file) as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
                mark = FileMark(seen.mtime_ns, seen.size, digest)
                if before and before.sha256 == digest:
                    self._index.mark(path, mark)
                    return
                opened.seek(0)
                with read_file(opened, path) as (title, sections):
                    self._index.put(path, mark, title, sections)
            log.info("documents.read", document=path)
        except UnreadableError as error:
            log.warning("documents.unreadable", document=path, reason=str(error))
            self._index.put(path, mark, path, ())
        except OSError as error:
            # Not kept in the index: it may be readable later, with the same content.
            self._failed[path] = seen.ctime_ns
            log.warning("documents.not_opened", document=path, reason=words_of(error))
