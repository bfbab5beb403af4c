"""Small files of /proc and /sys, any of which a host may lack."""

from pathlib import Path


def read_text(path: Path) -> str:
    """The file's text; empty where it is missing or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
