from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ironforge_cli.cli.commands import collect
from ironforge_cli.cli.frame.options import Format
from ironforge_cli.cli.show.render import Report, flat, gold, plain, sparkline, written
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting.collect import Collected
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence


def nothing(_: Console) -> None:
    """Formats for programs show nothing."""


def as_written(records: Sequence[dict[str, Any]], form: Format) -> str:
    return written(Report(records=records, show=nothing, format=form))


RECORD: dict[str, Any] = {
    "region": Region.EU,
    "at": datetime(2024, 1, 15, 3, 48, 2, tzinfo=UTC),
    "name": 'Öl, "das gute"\nund mehr',
    "path": Path("/srv/x"),
    "nothing": None,
    "yes": True,
    "price": 2**40,
    "nested": {"list": (1, None), "at": datetime(2024, 1, 15, 3, 48, 2, 500_000, tzinfo=UTC)},
}
PLAIN: dict[str, Any] = {
    "region": "eu",
    "at": "2024-01-15T03:48:02Z",
    "name": 'Öl, "das gute"\nund mehr',
    "path": "/srv/x",
    "nothing": None,
    "yes": True,
    "price": 2**40,
    "nested": {"list": [1, None], "at": "2024-01-15T03:48:02.500000Z"},
}


def test_every_kind_of_value_becomes_plain_json() -> None:
    assert json.loads(as_written([RECORD, RECORD], Format.JSON)) == [PLAIN, PLAIN]
    lines = as_written([RECORD, RECORD], Format.JSONL).splitlines()
    assert [json.loads(line) for line in lines] == [PLAIN, PLAIN]
    assert "Öl" in lines[0]


def test_csv_keeps_commas_quotes_and_line_breaks_and_gives_nested_values_columns_of_their_own() -> None:
    header, row = csv.reader(io.StringIO(as_written([RECORD], Format.CSV)))
    assert header == list(flat(PLAIN))
    found = dict(zip(header, row, strict=True))
    assert (found["name"], found["nothing"], found["price"]) == (PLAIN["name"], "", str(2**40))
    assert [cell for cell in row if cell.startswith(("[", "{"))] == []


@pytest.mark.parametrize(("form", "text"), [(Format.JSON, "[]\n"), (Format.JSONL, ""), (Format.CSV, "")])
def test_no_records_are_an_empty_result(form: Format, text: str) -> None:
    assert as_written([], form) == text


@settings(deadline=None)
@given(text=st.text())
def test_any_text_stands_in_a_table_as_it_is(text: str) -> None:
    stream = io.StringIO()
    Console(file=stream, width=100_000, highlight=False, emoji=False).print(plain(text), soft_wrap=True)
    assert "".join(stream.getvalue().split()) == "".join(printable(text).split())


def printable(text: str) -> str:
    """Without the control characters that Rich takes out of what it prints."""
    return "".join(character for character in text if character not in "\a\b\v\f\r")


def test_a_message_with_brackets_is_shown_as_it_is() -> None:
    region = CollectedRegion(
        region=Region.EU,
        outcome=Outcome.NO_CHANGE,
        status=ExitStatus.DONE,
        snapshot_time=None,
        counts=None,
        message="[eu] nothing [/new] since [red]then",
    )
    stream = io.StringIO()
    collect.show(Collected(regions=(region,), tokens=()), Console(file=stream, width=100))
    assert "EU: [eu] nothing [/new] since [red]then\n" in stream.getvalue()


@settings(deadline=None)
@given(copper=st.integers(0, 10**15))
def test_small_prices_are_shown_to_the_copper_and_large_ones_in_gold(copper: int) -> None:
    shown = gold(copper)
    if copper >= 1_000_000:
        assert shown == f"{copper / 10_000:,.0f}g"
    else:
        coins = {"g": 10_000, "s": 100, "c": 1}
        assert sum(int(part[:-1]) * coins[part[-1]] for part in shown.split()) == copper


@settings(deadline=None)
@given(values=st.lists(st.floats(0, 1e12), max_size=50))
def test_a_sparkline_has_a_bar_a_value_and_rises_with_it(values: list[float]) -> None:
    bars = sparkline(values)
    assert len(bars) == len(values)
    for (value, bar), (other, another) in zip(
        zip(values, bars, strict=True), zip(values[1:], bars[1:], strict=True), strict=False
    ):
        assert (bar <= another) if value <= other else (bar >= another)
