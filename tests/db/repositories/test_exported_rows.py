"""Which hours a part of an export asks for, to the very moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ironforge_cli.db.repositories import exported_rows
from ironforge_cli.db.repositories.exported_rows import ExportedPart
from ironforge_cli.errors import BusyError
from ironforge_cli.regions import Region

JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TABLE = "eu_commodity_price_stats"
NOBODY: Any = None


def month(starts_at: datetime | None, ends_at: datetime | None, *, is_readable: bool = False) -> Any:
    made = exported_rows._Month  # pyright: ignore[reportPrivateUsage] - as the server's months are read
    name = f"{TABLE}_{starts_at:%Y_%m}" if starts_at else f"{TABLE}_before"
    return made(Region.EU, name, starts_at, ends_at, is_readable)


def where(parts: list[ExportedPart]) -> list[tuple[str, str]]:
    """Of each part the table, and what its rows have to be."""
    asked = [part.query.as_string(None).partition(" FROM ")[2].partition(" WHERE ") for part in parts]
    return [(table.strip('"'), said.replace("CAST('", "").replace("' AS timestamptz)", "")) for table, _, said in asked]


def parts(monkeypatch: pytest.MonkeyPatch, *months: Any, **asked: Any) -> list[tuple[str, str]]:
    monkeypatch.setattr(exported_rows, "_months", lambda *_: list(months))  # pyright: ignore[reportUnknownArgumentType,reportUnknownLambdaType] - any two
    given: dict[str, Any] = {"since": None, "until": {Region.EU: NOON}, "items": None, **asked}
    return where(exported_rows.statistics_parts(NOBODY, [Region.EU], **given))


def test_months_that_only_the_whole_table_shows_are_cut_at_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parts(monkeypatch, month(None, JANUARY), month(JANUARY, FEBRUARY), month(FEBRUARY, None))
    until = f"timestamp <= {NOON.isoformat()}"
    assert found == [
        (TABLE, f"{until} AND timestamp < {JANUARY.isoformat()}"),
        (TABLE, f"{until} AND timestamp >= {JANUARY.isoformat()} AND timestamp < {FEBRUARY.isoformat()}"),
        (TABLE, f"{until} AND timestamp >= {FEBRUARY.isoformat()}"),
    ]


def test_a_month_that_is_over_or_has_not_begun_is_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    months = month(JANUARY, FEBRUARY), month(FEBRUARY, MARCH), month(MARCH, None)
    assert len(parts(monkeypatch, *months, since=FEBRUARY - HOUR)) == 2
    ((_, said),) = parts(monkeypatch, *months, since=FEBRUARY)
    assert f"timestamp > {FEBRUARY.isoformat()}" in said
    # The last moment is of the part.
    assert len(parts(monkeypatch, *months, until={Region.EU: MARCH})) == 3
    assert len(parts(monkeypatch, *months, until={Region.EU: MARCH - HOUR})) == 2
    assert parts(monkeypatch, *months, until={}) == []


def test_chosen_items_are_asked_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, said),) = parts(monkeypatch, month(JANUARY, None), items=[7, 8])
    assert "item_id = ANY(" in said
    assert "{7,8}" in said.replace(" ", "")


def test_months_that_change_faster_than_they_are_found_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def restless(*_: object) -> list[object]:
        seen.append(month(JANUARY + len(seen) * HOUR, None))
        return seen[-1:]

    monkeypatch.setattr(exported_rows, "_months", restless)
    with pytest.raises(BusyError, match="export again in a minute"):
        exported_rows.statistics_parts(NOBODY, [Region.EU], since=None, until={}, items=None)
    assert len(seen) == 10


def test_a_tokens_prices_reach_from_after_a_moment_to_another() -> None:
    part = exported_rows.token_part(Region.EU, since=NOON - HOUR, until=NOON)
    ((table, said),) = where([part])
    assert table == "eu_token_price"
    assert said == f"timestamp <= {NOON.isoformat()} AND timestamp > {(NOON - HOUR).isoformat()} ORDER BY timestamp"
    ((_, said),) = where([exported_rows.token_part(Region.EU, since=None, until=NOON)])
    assert "timestamp >" not in said
