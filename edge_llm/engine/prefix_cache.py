"""Reuse of computed prefixes: a radix tree over token ids, each edge holding its tokens' keys and values.

A prompt finds its longest common prefix with all that was computed before, token for token; what two
entries share is held once. Least recently used leaves go first when the budget is spent (as in
SGLang's RadixAttention, Zheng et al. 2024, on whole tokens instead of pages).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.prefix_store import PrefixStore
from edge_llm.event_log import EventLog

log = EventLog(__name__)

_PINNED_SHARE = 0.75
"""Part of the budget in which pinned prefixes are safe from what is used later."""
_UNCOPIED_SHARE = 0.75
"""Least part of an array that stays in it when its edge is cut in two; more than half, so that one does."""


@dataclass(eq=False)
class _Node:
    """An edge of the tree: ``kv`` is float32 ``[2 * layers, kv_heads, len(ids), head_dim]``.

    ``bytes`` is the memory that ``kv`` keeps: its own, or more where it is a part of a larger array.
    """

    ids: tuple[int, ...]
    kv: NDArray[np.float32]
    bytes: int
    parent: "_Node | None"
    children: "dict[int, _Node]" = field(default_factory=dict)
    used: int = 0
    pinned: bool = False


class PrefixCache:
    """Keys and values of prefixes under a budget of bytes; pinned ones stay longest. For one thread."""

    def __init__(self, cache: KVCache, budget_bytes: int, store: PrefixStore | None = None) -> None:
        """Copy prefixes between ``cache``'s slots and at most ``budget_bytes`` of memory.

        Pinned prefixes are kept in ``store``, too; those that are there now are mapped at once.
        """
        self._cache = cache
        self._budget_bytes = budget_bytes
        self._store = store
        self._root = _Node((), np.empty(0, np.float32), 0, None)
        self._clock = 0
        self.bytes = 0
        for ids, kv in store.load() if store else ():
            self._insert(ids, partial(_after, kv), pinned=True)

    @property
    def store_problem(self) -> str | None:
        """Reason why prefixes are not kept over a restart, although they should be; else None."""
        return self._store.problem if self._store else None

    def stop(self) -> None:
        """Write what is to be kept over a restart."""
        if self._store:
            self._store.stop()

    def load(self, slot: int, ids: Sequence[int], others: Iterable[tuple[int, Sequence[int]]] = ()) -> int:
        """Copy the longest known prefix of ``ids`` into an empty slot; returns its tokens.

        ``others`` are the slots in use, each with the ids that it holds: what they share with ``ids`` is
        known, too.
        """
        shared, source = max(((_common(held, ids), other) for other, held in others), default=(0, slot))
        known = self._cache.load(slot, (node.kv[:, :, :count] for node, count in self._walk(ids)))
        if shared > known:
            self._cache.copy(source, slot, known, shared)
        return max(shared, known)

    def store(self, slot: int, ids: Sequence[int], *, pinned: bool = False) -> None:
        """Remember the slot's keys and values of ``ids``, which it holds from its first token on.

        Never raises: what there is no memory for is not kept.
        """

        def read(known: int) -> NDArray[np.float32]:
            return self._cache.read(slot, known, len(ids))

        try:
            self._insert(ids, read, pinned=pinned)
            if pinned and self._store:
                self._store.save(ids, read(0))
        except Exception:
            log.exception("engine.prefix_not_kept")

    def _insert(
        self, ids: Sequence[int], read: Callable[[int], NDArray[np.float32]], *, pinned: bool
    ) -> None:
        """Add ``ids``; ``read(n)`` gives the keys and values after the first ``n``, which are known."""
        path = list(self._walk(ids))
        known = sum(count for _, count in path)
        parent = self._root
        if path:
            parent, count = path[-1]
            if count < len(parent.ids):
                parent = self._split(parent, count)
        if known < len(ids):
            kv = read(known)
            parent = self._add(_Node(tuple(ids[known:]), kv, kv.nbytes, parent))
        node: _Node | None = parent if pinned else None
        while node is not None:
            node.pinned, node = True, node.parent
        self._evict()

    def _walk(self, ids: Sequence[int]) -> Iterator[tuple[_Node, int]]:
        """Yield the nodes along ``ids`` from the root, each with the number of its tokens that agree."""
        self._clock += 1
        node, position = self._root, 0
        while position < len(ids) and (child := node.children.get(ids[position])) is not None:
            child.used = self._clock
            count = _common(child.ids, ids[position : position + len(child.ids)])
            yield child, count
            if count < len(child.ids):
                return
            node, position = child, position + count

    def _add(self, node: _Node) -> _Node:
        assert node.parent is not None
        node.used = self._clock
        node.parent.children[node.ids[0]] = node
        self.bytes += node.bytes
        return node

    def _split(self, node: _Node, count: int) -> _Node:
        """Cut an edge in two after ``count`` tokens; returns the upper part."""
        assert node.parent is not None
        before, ids, kv = node.bytes, node.ids, node.kv
        above, bytes_above = _part(kv[:, :, :count], before)
        upper = _Node(ids[:count], above, bytes_above, node.parent, used=node.used, pinned=node.pinned)
        node.parent.children[ids[0]] = upper
        node.ids, node.parent = ids[count:], upper
        node.kv, node.bytes = _part(kv[:, :, count:], before)
        upper.children[node.ids[0]] = node
        self.bytes += upper.bytes + node.bytes - before
        return upper

    def _evict(self) -> None:
        """Drop the oldest leaves; pinned ones last, but first where they have more than their share.

        Else the prefixes of each house that there ever was would leave no room for anybody's session.
        """
        while self.bytes > self._budget_bytes:
            nodes = [node for node in self._nodes(self._root) if node.parent]
            pinned_bytes = sum(node.bytes for node in nodes if node.pinned)
            protected = pinned_bytes <= _PINNED_SHARE * self._budget_bytes
            leaves = [node for node in nodes if not node.children]
            oldest = min(leaves, key=lambda node: (node.pinned == protected, node.used))
            assert oldest.parent is not None
            del oldest.parent.children[oldest.ids[0]]
            self.bytes -= oldest.bytes

    def _nodes(self, node: _Node) -> Iterator[_Node]:
        yield node
        for child in node.children.values():
            yield from self._nodes(child)


def _after(kv: NDArray[np.float32], known: int) -> NDArray[np.float32]:
    return kv[:, :, known:]


def _part(kv: NDArray[np.float32], whole_bytes: int) -> tuple[NDArray[np.float32], int]:
    """Return a part of an array of ``whole_bytes``, and the bytes that it keeps in memory.

    A part is copied, so that the array can be freed. One that is most of the array is not: the next question
    behind a long prompt would wait for a copy of all of its keys and values.
    """
    if kv.nbytes >= _UNCOPIED_SHARE * whole_bytes:
        return kv, whole_bytes
    return kv.copy(), kv.nbytes


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the longest common prefix of two sequences."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
