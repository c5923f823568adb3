"""What all questions share: their options, where they read, and from an answer to what is written of it."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from ironforge_cli.answers.answer import Asking, MarketAnswer, without_collecting
from ironforge_cli.cli.frame.asked_database import database_to_ask, note_question
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions, duration, utc_time
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.asked import SNAPSHOT, ShownAnswer, show_answer
from ironforge_cli.cli.show.render import Report
from ironforge_cli.db.repositories.asked_questions import AskedQuestion
from ironforge_cli.errors import ExitStatus, UsageError
from ironforge_cli.given import BYTE_ORDER_MARK
from ironforge_cli.quantities import copper_of, share_of
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import TextIO

    from rich.console import Console

IN_TABLES: Final = 20
"""Rows of a table where nobody says how many."""
_LARGEST_LIMIT: Final = 100_000_000
_MOST_NAMES: Final = 100_000

Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        min=0,
        max=_LARGEST_LIMIT,
        help="So many rows of each region; 0 is all. Without it: 20 in a table, all in other formats.",
    ),
]
MaxAge = Annotated[
    timedelta,
    typer.Option("--max-age", parser=duration, metavar="SPAN", help="An answer that is older is called stale."),
]
FailStale = Annotated[
    bool, typer.Option("--fail-stale", help="End with 4 where the answer is stale; it is written all the same.")
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="KEYS", help="These columns alone, in this order: keys of the JSON, as a,b,c."),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="KEYS",
        help="Order by these keys, the smallest first; -KEY: the largest first, as in -sold,name.",
    ),
]
# The same, as a signature holds them, by name.
_OPTIONS: Final[dict[str, tuple[Any, Any]]] = {
    "region": (Regions, None),
    "format_": (FormatOption, Format.TABLE),
    "limit": (Limit, None),
    "max_age": (MaxAge, "2h"),
    "fail_stale": (FailStale, False),
    "columns": (Columns, None),
    "sort": (Sort, None),
}
Beginning: TypeAlias = datetime | timedelta


@dataclass(frozen=True, slots=True)
class FoundAnswer:
    """What a question found, and how a table shows it."""

    answer: MarketAnswer[Any]
    row: type
    """The kind of its rows: its fields are the keys."""
    columns: tuple[str, ...]
    """Those of a table where nobody says which."""
    empty: str = "There is nothing."
    goes: tuple[str, ...] = ()
    """Of these columns those that a narrow terminal does without, the last first."""
    keeps_last: bool = False
    """Whether a limit keeps the last rows, as the newest of a span; else the first."""
    show: Callable[[Console, ShownAnswer], None] | None = None
    """Another way to show it than a table of its columns, where nobody says which columns."""
    below: tuple[str, ...] = ()
    """Lines for people, below a table."""
    warnings: tuple[str, ...] = ()
    """What a person has to hear beside the answer."""
    things: str = SNAPSHOT
    """What the answer rests on, where that is something else."""


def question(function: Callable[..., FoundAnswer]) -> Callable[..., None]:
    """Make a Typer command of a function that takes where to ask and its own options, and returns what it found.

    The options that all questions share are added to its own.
    """

    @functools.wraps(function)
    def run(invocation: Invocation, **options: Any) -> Report:
        shared = {name: options.pop(name) for name in _OPTIONS}
        database = database_to_ask(invocation)
        asking_for = Asking(
            database=database,
            regions=invocation.regions(shared["region"]),
            now=invocation.clock.now(),
            max_age=shared["max_age"],
        )
        # Until it is written, too: what is written of an answer is as little garbage as the answer.
        invocation.close_with(without_collecting())
        began = time.monotonic()
        report = _report(function(asking_for, **options), asking_for, shared)
        asked = AskedQuestion(
            command=invocation.command,
            started_at=asking_for.now,
            ended_at=invocation.clock.now(),
            seconds=time.monotonic() - began,
        )
        # When the answer is out.
        invocation.close_with(ExitStack()).callback(note_question, database, asked)
        return report

    first, *own = inspect.signature(function, eval_str=True).parameters.values()
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]
    run.__signature__ = inspect.Signature([first.replace(annotation=Invocation), *own, *more])  # type: ignore[attr-defined] - functions take any attribute
    return command(run)


def _report(asked: FoundAnswer, asking_for: Asking, shared: dict[str, Any]) -> Report:
    known = tuple(field.name for field in fields(asked.row))
    columns = None if shared["columns"] is None else _keys(shared["columns"], known, option="--columns")
    format_, limit = shared["format_"], shared["limit"]
    if limit is None:
        limit = IN_TABLES if format_ is Format.TABLE else 0
    records = asked.answer.records()
    if shared["sort"] is not None:
        records = ordered(records, shared["sort"], asked.row)
    kept = limited(records, limit, keeps_last=asked.keeps_last and shared["sort"] is None)
    shown = ShownAnswer(
        records=kept,
        found=records,
        columns=asked.columns if columns is None else columns,
        bases=asked.answer.bases,
        max_age=asking_for.max_age,
        empty=asked.empty,
        below=asked.below,
        goes=asked.goes if columns is None else (),
        things=asked.things,
    )
    show = asked.show if columns is None else None

    def table(console: Console) -> None:
        show_answer(console, shown, show)

    written = kept if columns is None else [{key: record[key] for key in columns} for record in kept]
    is_refused = shared["fail_stale"] and asked.answer.is_stale
    status = ExitStatus.UNHEALTHY if is_refused else ExitStatus.DONE
    return Report(
        records=written, show=table, format=format_, status=status, warnings=asked.warnings, keys=columns or known
    )


def _keys(text: str, known: Sequence[str], *, option: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(key.strip().lower() for key in text.split(",") if key.strip()))
    unknown = [key for key in keys if key not in known]
    if unknown or not keys:
        raise UsageError(f"{option}: {(unknown or [text])[0]!r} is not one of {', '.join(known)}.")
    return keys


def ordered(records: Sequence[dict[str, Any]], given: str, row: type) -> list[dict[str, Any]]:
    """Records of a kind of row by keys, those first named first; what is unknown is last either way.

    Ties are ordered by item, and stay as they are where that is the same. Raises `UsageError` where a key is none, or
    has no order.
    """
    can_order = {one.name: not _has_parts(str(one.type)) for one in fields(row)}
    ways = [word.strip() for word in given.split(",") if word.strip()] or [given]
    keys = [key for way in ways for key in _keys(way.removeprefix("-"), tuple(can_order), option="--sort")]
    for place, key in enumerate(keys):
        if not can_order[key]:
            others = ", ".join(name for name, can in can_order.items() if can)
            raise UsageError(f"--sort: {key!r} has no order: give one of {others}.")
        if key in keys[:place]:
            raise UsageError(f"--sort: {key!r} is given twice.")
    found = _by(records, "item_id", falls=False) if "item_id" in can_order else list(records)
    for way, key in reversed(list(zip(ways, keys, strict=True))):
        found = _by(found, key, falls=way.startswith("-"))
    return found


def _has_parts(kind: str) -> bool:
    """Whether values of a type, as it is written, are lists of more than words."""
    return kind.startswith("tuple[") and not kind.startswith("tuple[str")


def _by(records: Sequence[dict[str, Any]], key: str, *, falls: bool) -> list[dict[str, Any]]:
    there = sorted((one for one in records if one[key] is not None), key=lambda one: one[key], reverse=falls)
    return [*there, *(one for one in records if one[key] is None)]


def limited(records: Sequence[dict[str, Any]], limit: int, *, keeps_last: bool = False) -> list[dict[str, Any]]:
    """The first or the last so many of each region, of one item where rows are of a span; 0 is all.

    >>> rows = [{"region": "eu", "n": 1}, {"region": "us", "n": 2}, {"region": "eu", "n": 3}]
    >>> limited(rows, 1), limited(rows, 1, keeps_last=True)[1:]
    ([{'region': 'eu', 'n': 1}, {'region': 'us', 'n': 2}], [{'region': 'eu', 'n': 3}])
    """
    if not limit:
        return list(records)
    counted: dict[Any, int] = {}
    kept: list[dict[str, Any]] = []
    for record in reversed(records) if keeps_last else records:
        group = (record.get("region"), record.get("item_id") if keeps_last else None)
        counted[group] = counted.get(group, 0) + 1
        if counted[group] <= limit:
            kept.append(record)
    return kept[::-1] if keeps_last else kept


def words_of(given: Iterable[str]) -> list[str]:
    """Ids and names of arguments, those of stdin in the place of `-`, a line each.

    Raises `UsageError` where stdin has more than can be meant, or no text.
    """
    words: list[str] = []
    for word in given:
        if word != "-":
            words.append(word.strip())
            continue
        for line in _lines_of_stdin():
            words.append(line)
            if len(words) > _MOST_NAMES:
                raise UsageError(f"More than {_MOST_NAMES:,} ids and names came by stdin: give fewer at a time.")
    return words


def one_word(given: str) -> str:
    """The one id or name that an argument is, that of stdin for `-`.

    Raises `UsageError` where stdin has none or more.
    """
    words = words_of([given])
    if len(words) != 1:
        raise UsageError(f"stdin gave {counted(len(words), 'id or name', 'ids and names')}: this command takes one.")
    return words[0]


def _lines_of_stdin() -> Generator[str]:
    """What stands in stdin's lines, without what editors leave at the beginning of a file."""
    # Whoever closes a stream leaves None in its place.
    stream: TextIO | None = sys.stdin
    if stream is None:
        raise UsageError("- reads ids and names from stdin, and stdin is closed: give it a file, or name them.")
    try:
        for place, line in enumerate(stream):
            # Signs that are none were let in as halves of one, which no encoding has.
            line.encode()
            word = line.removeprefix(BYTE_ORDER_MARK if place == 0 else "").strip()
            if word:
                yield word
    except UnicodeError:
        raise UsageError("stdin holds what is no text in UTF-8: save it as UTF-8, a line each id or name.") from None


def money(text: str) -> float:
    """Copper of an option: in words such as 12g 50s, or a plain number of gold.

    >>> money("12g 50s"), money("1,000"), money("75c")
    (125000.0, 10000000.0, 75.0)
    """
    try:
        return copper_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def fraction(text: str) -> float:
    """A share of an option: 20%, or 0.2.

    >>> fraction("20%"), fraction("0.2")
    (0.2, 0.2)
    """
    try:
        return share_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def beginning(text: str) -> Beginning:
    """Where a span begins: so long before its end, or at a time.

    >>> beginning("7d").days, beginning("2026-01-14").isoformat()
    (7, '2026-01-14T00:00:00+00:00')
    """
    if re.fullmatch(r"\s*[\d.smhd]+\s*", text, re.ASCII):
        return positive(text)
    return utc_time(text)


def positive(text: str) -> timedelta:
    """A span of time that is longer than nothing."""
    span = duration(text)
    if not span:
        raise typer.BadParameter(f"{text!r} is no time at all: give a span such as 24h or 7d")
    return span


def span_of(since: Beginning, until: datetime | None) -> tuple[timedelta, datetime | None]:
    """How far back a span reaches, and its beginning where that is a time. Raises `UsageError` where it is none."""
    if isinstance(since, timedelta):
        return since, None
    if until is not None and since >= until:
        raise UsageError("--since is not before --until: nothing lies between them.")
    return timedelta(), since
