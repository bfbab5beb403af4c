"""Moves a damaged file out of the way, so that it can be looked at and an empty one begun."""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

_SQLITE_LOCKS = 0x40000000, 512
"""Offset and length in bytes of sqlite's locks in a file: from PENDING_BYTE on (os.h of sqlite)."""


def move_aside(path: Path, *beside: str) -> Path:
    """Rename ``path`` to ``NAME.corrupt-DATE``, and with it what has its name and one of the ends ``beside``.

    Raises:
        OSError: it cannot be renamed.
    """
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = path.with_name(f"{path.name}.corrupt-{date}")
    number = 1
    while kept.exists():  # a clock that begins at the same instant at each start
        number += 1
        kept = path.with_name(f"{path.name}.corrupt-{date}-{number}")
    path.rename(kept)
    for end in beside:
        other = path.with_name(path.name + end)
        if other.exists():
            other.rename(kept.with_name(kept.name + end))
    return kept


def is_in_use(path: Path) -> bool:
    """Whether another process has a sqlite file open: it holds a lock, and what it writes may look damaged.

    This process must not have it open itself: closing a file gives up all of a process's locks on it.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SQLITE_LOCKS[1], _SQLITE_LOCKS[0])
    except OSError:
        return True
    finally:
        os.close(file)
    return False
