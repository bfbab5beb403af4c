"""Releases acknowledgements in order of arrival (MQTT 4.6)."""

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class InOrder(Generic[Item]):
    """A queue of items that may finish in any order [MQTT-4.6.0-2]; not safe for several threads."""

    def __init__(self) -> None:
        """Begin empty."""
        self._begun: deque[Item] = deque()
        self._finished: set[Item] = set()

    def begin(self, item: Item) -> None:
        """Take in the next item."""
        self._begun.append(item)

    def finish(self, item: Item) -> list[Item]:
        """Finish ``item``; returns the items that may be acknowledged now. An unknown item releases none."""
        if item not in self._begun:
            return []
        self._finished.add(item)
        due = []
        while self._begun and self._begun[0] in self._finished:
            due.append(self._begun.popleft())
        self._finished.difference_update(due)
        return due

    def clear(self) -> None:
        """Forget all."""
        self._begun.clear()
        self._finished.clear()
