"""Shows progress of long work on standard error: as bars on a terminal, else as a line every few seconds."""

import sys
from types import TracebackType
from typing import Protocol, Self

from tqdm import tqdm

_SECONDS_A_LINE = 2.0


class Advance(Protocol):
    """Called for each unit that is done, with its name and its bytes; or for ``count`` of them."""

    def __call__(self, what: str, size: int = 0, count: int = 1) -> None:
        """Move the bar."""


class Progress:
    """One bar per stage; a context manager that closes the last one."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Show nothing if ``quiet``."""
        self._quiet = quiet
        self._bar: tqdm[None] | None = None

    def __enter__(self) -> Self:
        """Return itself: nothing is shown before the first stage."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()

    def stage(self, name: str, total: int, unit: str) -> Advance:
        """Begin a stage of ``total`` units; returns the function to call for each."""
        if self._bar is not None:
            self._bar.close()
        on_terminal = sys.stderr.isatty()
        bar = tqdm(
            desc=name,
            total=total,
            unit=f" {unit}",
            file=sys.stderr,
            disable=self._quiet,
            mininterval=0.1 if on_terminal else _SECONDS_A_LINE,
            ascii=not on_terminal,
        )
        self._bar, done = bar, 0

        def advance(what: str, size: int = 0, count: int = 1) -> None:
            nonlocal done
            done += size
            bar.set_postfix_str(f"{done / 1e6:.0f} MB, {what}" if done else what, refresh=False)
            bar.update(count)

        return advance
