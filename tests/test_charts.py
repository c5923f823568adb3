"""Pictures of answers: what is in them, and that what is unknown is not drawn as 0."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ironforge_cli import charts
from ironforge_cli.answers.book import Level
from ironforge_cli.answers.history import Period
from ironforge_cli.answers.spread import Spread
from ironforge_cli.answers.token import TokenPriceAt
from ironforge_cli.cli.show import pictures
from ironforge_cli.errors import ConfigurationError, UsageError
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.charts import Specification

NOON: Final = datetime(2026, 1, 14, 12, tzinfo=UTC)
EU, US = Region.EU, Region.US


def hour(place: int, bucket: datetime | int | None = None) -> Period:
    at = NOON + timedelta(hours=place) if bucket is None else bucket
    if place == 1:
        return Period(EU, 7, at, 0, None, None, None, None, None, None)
    return Period(EU, 7, at, 1, 10_000, 20_000.0 + place, 5, 1, 2, 3)


KINDS: Final[dict[str, tuple[Callable[..., Specification], list[Any]]]] = {
    "hours": (charts.history_chart, [hour(place) for place in range(4)]),
    "weekdays": (charts.history_chart, [hour(place, place) for place in range(7)]),
    "hours of the week": (charts.history_chart, [hour(place, place) for place in range(168)]),
    "tokens": (charts.token_chart, [TokenPriceAt(EU, NOON + timedelta(hours=n), 10**9 + n) for n in range(3)]),
    "book": (charts.book_chart, [Level(EU, 7, NOON, 100, 3, 1, 3, 300), Level(US, 7, NOON, 50, 1, 1, 1, 50)]),
    "spread": (charts.spread_chart, [Spread(7, "Ore", None, EU, US, 9.0, 3.0, 0.3, 0.1, 3.0)]),
}


def data(specification: Specification) -> list[dict[str, Any]]:
    return specification["data"]["values"]


def test_prices_are_gold_and_a_missing_hour_is_a_gap() -> None:
    values = data(charts.history_chart(KINDS["hours"][1], title="Ore"))
    assert [one["value"] for one in values] == [2.0, None, 2.0002, 2.0003]
    assert [one["sold"] for one in values] == [2, None, 2, 2]


def test_an_item_without_a_name_is_called_by_its_number() -> None:
    spreads = [Spread(number, name, None, EU, US, 9.0, 3.0, 0.3, 0.1, 3.0) for number, name in ((7, "Ore"), (8, None))]
    assert [one["item"] for one in data(charts.spread_chart(spreads, title="x"))] == ["Ore 7", "item 8"]


def test_a_book_of_one_price_reaches_the_edge_as_the_others_do() -> None:
    values = data(charts.book_chart(KINDS["book"][1], title="Ore"))
    last = {one["series"]: (one["price"], one["units"]) for one in values}
    assert last["EU"][0] == last["US"][0] > 0.01
    assert (last["EU"][1], last["US"][1]) == (3, 1)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_is_drawn_and_a_page_works_without_a_network(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra charts is not installed")
    make, rows = KINDS[kind]
    png, svg, html = tmp_path / "a.png", tmp_path / "a.svg", tmp_path / "a.html"
    files = (png, svg, html) if kind == "tokens" else (None, svg, None)
    assert pictures.draw(rows, make, title="Ore", files=files, dark=True) == ()
    assert "#0d1117" in svg.read_text()
    if kind == "tokens":
        assert png.read_bytes()[:4] == b"\x89PNG"
        page = html.read_text()
        # Whatever draws it is in the page itself: nothing is loaded, by whatever attribute.
        assert re.findall(r"<(?:script|link|iframe)\b[^>]*\b(?:src|href)\s*=", page, re.IGNORECASE) == []
        assert "@import" not in page
        assert len(page) > 500_000
    assert {path.name for path in tmp_path.iterdir()} <= {"a.png", "a.svg", "a.html"}
    assert json.dumps(make(rows, title="Ore"))


@pytest.mark.parametrize(("kind", "views"), [("hours", 2), ("tokens", 1), ("book", 1)])
def test_what_is_drawn_over_time_or_over_prices_can_be_moved_and_zoomed(kind: str, views: int) -> None:
    drawing = pytest.importorskip("vl_convert", reason="the extra charts is not installed")
    make, rows = KINDS[kind]
    drawn = drawing.vegalite_to_vega(make(rows, title="Ore"))
    scales = [one for view in (drawn, *drawn["marks"]) for one in view.get("scales", ()) if one["name"].endswith("x")]
    # The axis of each view is where the pointer has moved it, and nothing is drawn beyond it.
    assert len(scales) == views
    assert all("zoom" in one["domainRaw"]["signal"] for one in scales)
    assert '"clip": true' in json.dumps(drawn)
    assert "shiftKey" in json.dumps(drawn)


def test_what_can_not_be_drawn_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vl_convert", reason="the extra charts is not installed")
    make, rows = KINDS["tokens"]
    kept = tmp_path / "a.png"
    kept.write_text("mine")
    (nothing,) = pictures.draw([], make, title="Ore", files=(kept, None, None), dark=False)
    assert "Nothing was drawn" in nothing
    with pytest.raises(UsageError, match="can't be written"):
        pictures.draw(rows, make, title="Ore", files=(tmp_path / "no" / "a.png", None, None), dark=False)
    with pytest.raises(UsageError, match="--dark"):
        pictures.draw(rows, make, title="Ore", files=(None, None, None), dark=True)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'ironforge-cli\[charts\]'"):
        pictures.draw(rows, make, title="Ore", files=(kept, None, None), dark=False)
    assert kept.read_text() == "mine"


def test_links_and_pipes_are_written_through_and_stay_what_they_are(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra charts is not installed")
    make, rows = KINDS["tokens"]
    (tmp_path / "real.svg").write_text("old")
    link, pipe = tmp_path / "link.svg", tmp_path / "pipe"
    link.symlink_to("real.svg")
    pictures.draw(rows, make, title="Ore", files=(None, link, None), dark=False)
    assert link.is_symlink()
    assert "<svg" in (tmp_path / "real.svg").read_text()
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        pictures.draw(rows[:1], make, title="Ore", files=(None, pipe, None), dark=False)
        assert b"<svg" in os.read(reader, 65_536)
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_place_that_can_hold_no_picture_or_two_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra charts is not installed")
    make, rows = KINDS["tokens"]
    both = tmp_path / "both"
    with pytest.raises(UsageError, match="--png and --svg"):
        pictures.draw(rows, make, title="Ore", files=(both, tmp_path / "." / "both", None), dark=False)
    for place, says in ((tmp_path, "is a folder"), (Path(), "is a folder"), (Path("~nobody-at-all/a"), "whole path")):
        with pytest.raises(UsageError, match=says):
            pictures.draw(rows, make, title="Ore", files=(None, place, None), dark=False)
    assert not list(tmp_path.iterdir())
