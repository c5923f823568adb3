"""Things that can be made of each other: the loops of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


def loops_of(edges: Mapping[int, Collection[int]]) -> dict[int, frozenset[int]]:
    """Return for each node of a loop all that can be reached from it and back; others are left out.

    Tarjan's strongly connected components, without recursion.

    >>> loops_of({1: [2], 2: [3], 3: [2], 4: [4]}) == {2: {2, 3}, 3: {2, 3}}
    True
    """
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: dict[int, frozenset[int]] = {}
    for root in edges:
        if root in number:
            continue
        walk: list[tuple[int, Iterator[int]]] = [(root, iter(edges[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while walk:
            node, left = walk[-1]
            for after in left:
                if after not in number:
                    number[after] = low[after] = len(number)
                    stack.append(after)
                    on_stack.add(after)
                    walk.append((after, iter(edges.get(after, ()))))
                    break
                if after in on_stack:
                    low[node] = min(low[node], number[after])
            else:
                walk.pop()
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
                if low[node] == number[node]:
                    popped = [stack.pop()]
                    while popped[-1] != node:
                        popped.append(stack.pop())
                    members = frozenset(popped)
                    on_stack -= members
                    if len(members) > 1:
                        found.update(dict.fromkeys(members, members))
    return found
