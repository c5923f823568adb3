"""Loops of a graph, against a plain search for what can be reached from each node."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ironforge_cli.market.loops import loops_of

nodes = st.integers(1, 7)


def reached(edges: dict[int, list[int]], start: int) -> set[int]:
    found: set[int] = set()
    left = [start]
    while left:
        for after in edges.get(left.pop(), []):
            if after not in found:
                found.add(after)
                left.append(after)
    return found


# Two loops that a way leads between, a loop that is left and come back to, and what is looked at twice.
@example({1: [2], 2: [1, 3], 3: [4], 4: [3]})
@example({1: [2, 5], 2: [3], 3: [1, 4], 4: [5], 5: []})
@example({1: [2, 3], 2: [4], 3: [4], 4: [1]})
@example({2: [3], 3: [2], 1: [2]})
@example({2: [3], 3: [2], 1: [2, 4], 4: [1]})
@settings(max_examples=30)
@given(st.dictionaries(nodes, st.lists(nodes, max_size=4), max_size=7))
def test_a_loop_is_all_that_can_be_reached_and_comes_back(edges: dict[int, list[int]]) -> None:
    plain: dict[int, set[int]] = {}
    for node in edges:
        ways = reached(edges, node)
        loop = {other for other in ways if node in reached(edges, other)} | {node}
        if len(loop) > 1:
            plain[node] = loop
    assert loops_of(edges) == plain


def test_a_loop_of_thousands_needs_no_depth() -> None:
    many = 5_000
    found = loops_of({node: [(node + 1) % many] for node in range(many)})
    assert len(found) == many
    assert len(found[0]) == many
