"""Small mistakes, planted in a module's text one at a time: a comparison turned, a step left out, two steps swapped.

Mistakes of whole statements are most of what is asked here, and the known tools plant none
(docs/decisions/0013-planted-mistakes.md).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

_TURNED: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_SIGNS: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_OTHER: Final[dict[type[ast.operator], str]] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.BitAnd: "|",
}
_OPPOSITE: Final = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "minimum": "maximum",
    "maximum": "minimum",
    "floor": "ceil",
    "ceil": "floor",
}
# What is asked of the database is a rule, too, though for Python it is text.
_IS_SQL: Final = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE)\b")
_IN_SQL: Final = (
    (re.compile(r"(?<=[\w\s)])<(?=[\s\w({])"), "<="),
    (re.compile(r"(?<![-=<])>(?=[\s\w({])"), ">="),
    (re.compile(r"<=(?!>)"), "<"),
    (re.compile(r">="), ">"),
    (re.compile(r"<>"), "="),
    (re.compile(r"\bAND\b"), "OR"),
    (re.compile(r"\bOR\b(?! REPLACE)"), "AND"),
    (re.compile(r"\bIS NOT NULL\b"), "IS NULL"),
    (re.compile(r"\bIS NULL\b"), "IS NOT NULL"),
    (re.compile(r"\bNOT EXISTS\b"), "EXISTS"),
    (re.compile(r"\bmin\("), "max("),
    (re.compile(r"\bmax\("), "min("),
    (re.compile(r"\bDESC\b"), "ASC"),
    (re.compile(r"\bORDER BY (\w+\.)?\w+\b(?! DESC)"), r"\g<0> DESC"),
    (re.compile(r"\bLEFT JOIN\b"), "JOIN"),
    (re.compile(r"\bDISTINCT\b(?! ON)"), ""),
    (re.compile(r"\bUNION ALL\b"), "UNION"),
)
# From here on one more changes next to nothing.
_SMALL: Final = 50
# What is said at these levels is for whoever looks for a fault of the program's.
_QUIET: Final = {"debug", "info"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted mistake."""

    line: int
    """Where it begins, from 1."""
    kind: str
    before: str
    after: str
    source: str
    """The module's whole text with the mistake in it."""

    def __str__(self) -> str:
        """One line that says what was done."""
        return f"{self.line}: {self.kind}: {_short(self.before)}  ->  {_short(self.after)}"


def mutants_of(source: str) -> list[Mutant]:
    """Every mistake that can be planted in a module's text, by line.

    >>> for mutant in mutants_of("def old(age, most):\\n    if age > most:\\n        drop(age)\\n"):
    ...     print(mutant)
    2: comparison: age > most  ->  age >= most
    2: condition: age > most  ->  True
    2: condition: age > most  ->  False
    3: left out: drop(age)  ->  pass

    Two steps that come to the same in either order are not swapped.

    >>> for steps in ("self.a = a; self.b = made(b)", "self.a = a; self.go()", "n += len(b); b.append(a)"):
    ...     one, two = steps.split("; ")
    ...     found = mutants_of(f"def go(self, a, b):\\n    {one}\\n    {two}\\n")
    ...     print([str(mutant) for mutant in found if mutant.kind == "swapped"])
    []
    ['2: swapped: self.a = a self.go()  ->  self.go() self.a = a']
    ['2: swapped: n += len(b) b.append(a)  ->  b.append(a) n += len(b)']
    """
    found: list[Mutant] = []
    tree = ast.parse(source)
    found += _in_sql(source, tree)
    for kind, first, last, after in _planted(tree):
        start, end = _offset(source, first, at_end=False), _offset(source, last, at_end=True)
        before = source[start:end]
        changed = source[:start] + after(source) + source[end:]
        mutant = Mutant(first.lineno, kind, before, changed[start : len(changed) - len(source) + end], changed)
        if _is_python(changed) and changed != source:
            found.append(mutant)
    # A text of several pieces is met once a piece.
    each = {mutant.source: mutant for mutant in found}
    return sorted(each.values(), key=lambda mutant: (mutant.line, mutant.kind))


def _in_sql(source: str, tree: ast.Module) -> Iterator[Mutant]:
    """Mistakes in statements of the database.

    >>> source = 'q = "DELETE FROM rows WHERE at < :before AND kind IS NOT NULL"'
    >>> for mutant in _in_sql(source, ast.parse(source)):
    ...     print(mutant)
    1: SQL: at < :before  ->  at <= :before
    1: SQL: :before AND kind  ->  :before OR kind
    1: SQL: kind IS NOT NULL "  ->  kind IS NULL "
    """
    for node in _walked(tree):
        if not isinstance(node, ast.Constant | ast.JoinedStr) or not _is_text(node):
            continue
        start, end = _offset(source, node, at_end=False), _offset(source, node, at_end=True)
        if not _IS_SQL.search(source, start, end):
            continue
        for sign, other in _IN_SQL:
            for hit in sign.finditer(source, start, end):
                changed = source[: hit.start()] + hit.expand(other) + source[hit.end() :]
                before, after = source[: hit.start()].rsplit(maxsplit=1)[-1], source[hit.end() : end].split()
                around = f"{before} {hit[0]} {after[0] if after else ''}", f"{before} {hit.expand(other)} "
                line = source.count("\n", 0, hit.start()) + 1
                if _is_python(changed):
                    yield Mutant(line, "SQL", around[0], around[1] + (after[0] if after else ""), changed)


class _Text:
    """A text that is put together of pieces of the source."""

    def __init__(self, *parts: str | ast.expr | ast.stmt) -> None:
        self._parts = parts

    def __call__(self, source: str) -> str:
        return "".join(
            part if isinstance(part, str) else ast.get_source_segment(source, part) or "" for part in self._parts
        )


_Located = ast.expr | ast.stmt
_Plant = tuple[str, _Located, _Located, _Text]


def _planted(tree: ast.Module) -> Iterator[_Plant]:
    for node in _walked(tree):
        yield from _of_decisions(node)
        yield from _of_values(node)
        for body in _bodies(node):
            yield from _of_statements(body)


def _of_decisions(node: ast.AST) -> Iterator[_Plant]:
    match node:
        case ast.Compare(left=left, ops=[operation], comparators=[right]):
            yield "comparison", node, node, _Text(left, f" {_TURNED[type(operation)]} ", right)
        case ast.Compare(left=left, ops=[one, two], comparators=[middle, right]):
            turned = _TURNED[type(one)], _TURNED[type(two)]
            yield "comparison", node, node, _Text(left, f" {turned[0]} ", middle, f" {_SIGNS[type(two)]} ", right)
            yield "comparison", node, node, _Text(left, f" {_SIGNS[type(one)]} ", middle, f" {turned[1]} ", right)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield from _decided(test, but_not_always=isinstance(node, ast.While))
        case ast.comprehension(ifs=tests):
            yield from chain.from_iterable(map(_decided, tests))
        case ast.BoolOp(op=operation, values=values):
            other = " or " if isinstance(operation, ast.And) else " and "
            for one, two in pairwise(values):
                yield "and, or", one, two, _Text("(", one, other, two, ")")
                yield "part left out", one, two, _Text(one)
                yield "part left out", one, two, _Text(two)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not left out", node, node, _Text("bool(", operand, ")")
        case ast.ExceptHandler(type=ast.expr() as caught):
            yield from _not_caught(caught)
        case _:
            pass


def _not_caught(caught: ast.expr) -> Iterator[_Plant]:
    """Nothing caught, or all kinds but one."""
    yield "not caught", caught, caught, _Text("()")
    kinds = caught.elts if isinstance(caught, ast.Tuple) else []
    for left_out in kinds:
        kept = [part for kind in kinds if kind is not left_out for part in (kind, ",")]
        yield "not caught", caught, caught, _Text("(", *kept, ")")


def _decided(test: ast.expr, *, but_not_always: bool = False) -> Iterator[_Plant]:
    """A condition that always holds, and one that never does: who notices both notices it turned.

    A loop that goes on for ever would only be seen to hang.
    """
    if isinstance(test, ast.Constant):
        return
    if not but_not_always:
        yield "condition", test, test, _Text("True")
    yield "condition", test, test, _Text("False")


def _of_values(node: ast.AST) -> Iterator[_Plant]:
    match node:
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OTHER:
            if not _is_text(left) and not _is_text(right):
                yield "arithmetic", node, node, _Text(left, f" {_OTHER[type(operation)]} ", right)
        case ast.Constant(value=bool(value)):
            yield "constant", node, node, _Text(str(not value))
        case ast.Constant(value=int() | float() as value):
            yield "constant", node, node, _Text(f"({value!r} {'+ 1' if value < _SMALL else '* 2'})")
        case ast.Call(func=ast.Name(id=name) as function) if name in _OPPOSITE:
            yield "opposite", function, function, _Text(_OPPOSITE[name])
        case ast.Call(func=ast.Attribute(value=value, attr=name) as function) if name in _OPPOSITE:
            yield "opposite", function, function, _Text(value, f".{_OPPOSITE[name]}")
        case _:
            pass


def _of_statements(body: list[ast.stmt]) -> Iterator[_Plant]:
    for statement in body:
        if _is_step(statement):
            yield "left out", statement, statement, _Text("pass")
        match statement:
            case ast.Continue():
                yield "loop", statement, statement, _Text("break")
            case ast.Break():
                yield "loop", statement, statement, _Text("continue")
            case _:
                pass
    for one, two in pairwise(body):
        if (
            _is_step(one)
            and _is_step(two)
            and not isinstance(one, ast.Return | ast.Raise)
            and not isinstance(two, ast.Return | ast.Raise)
            and not _are_apart(one, two)
        ):
            between = "\n" + " " * one.col_offset
            yield "swapped", one, two, _Text(two, between, one)


def _are_apart(one: ast.stmt, two: ast.stmt) -> bool:
    """Whether two steps come to the same in either order: one calls nothing, and neither knows what the other does."""
    for plain, other in ((one, two), (two, one)):
        sets, reads = _set_and_read(plain)
        others, read_by_other = _set_and_read(other)
        calls = any(isinstance(node, ast.Call | ast.YieldFrom) for node in ast.walk(other))
        if not sets or any(isinstance(node, ast.Call | ast.YieldFrom) for node in ast.walk(plain)):
            continue
        # A call can look at, and an expression of its own can change, all that hangs on what it is given.
        known = {name.partition(".")[0] for name in sets} if calls else sets
        changed = {name.partition(".")[0] for name in read_by_other} if isinstance(other, ast.Expr) else others
        if not (known & read_by_other or changed & reads or sets & others):
            return True
    return False


def _set_and_read(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """The names and attributes that a step sets, nothing where it sets other things, and those that it reads."""
    match statement:
        case ast.Assign(targets=[ast.Name() | ast.Attribute(value=ast.Name()) as target], value=value):
            return {ast.unparse(target)}, _names(value)
        case ast.AugAssign(target=ast.Name() | ast.Attribute(value=ast.Name()) as target, value=value):
            return {ast.unparse(target)}, _names(value) | {ast.unparse(target)}
        case _:
            return set(), _names(statement)


def _names(node: ast.AST) -> set[str]:
    return {ast.unparse(inner) for inner in ast.walk(node) if isinstance(inner, ast.Name | ast.Attribute)}


def _is_step(statement: ast.stmt) -> bool:
    """Whether a statement does something that could be forgotten; what only names a value would be missed at once."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level))):
            return level not in _QUIET
        case ast.Expr(value=ast.Call() | ast.YieldFrom()):
            return True
        case ast.Assign(targets=[*targets]):
            return any(isinstance(target, ast.Attribute | ast.Subscript | ast.Tuple) for target in targets)
        case ast.AugAssign() | ast.Delete() | ast.Raise():
            return True
        case ast.Return(value=value):
            return value is not None
        case _:
            return False


def _walked(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but annotations, docstrings, what makes a class, and what is there for the type checker."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "bases"}:
            continue
        # Whether a value is frozen the type checker looks after.
        if name == "keywords" and isinstance(node, ast.ClassDef):
            continue
        children = cast("list[object]", value) if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.AST) and not _is_for_the_type_checker(child):
                yield from _walked(child)


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    if isinstance(node, ast.ClassDef | ast.Module):
        return
    for name in ("body", "orelse", "finalbody"):
        body: object = getattr(node, name, None)
        if isinstance(body, list):
            # A lambda's body and that of a conditional are single expressions.
            yield [part for part in cast("list[object]", body) if isinstance(part, ast.stmt)]


def _is_for_the_type_checker(node: ast.AST) -> bool:
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Constant()) | ast.ClassDef(bases=[ast.Name(id="Protocol")]):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level)):
            return level in _QUIET
        case _:
            return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _offset(source: str, node: _Located, *, at_end: bool) -> int:
    line, column = (node.end_lineno, node.end_col_offset) if at_end else (node.lineno, node.col_offset)
    if line is None or column is None:
        raise ValueError("a parsed node says where it ends")
    lines = source.splitlines(keepends=True)
    # The parser counts bytes.
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def _is_python(source: str) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _short(text: str) -> str:
    line = " ".join(text.split())
    most = 90
    return line if len(line) <= most else f"{line[:most]}…"
