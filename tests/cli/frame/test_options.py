from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from ironforge_cli.cli.frame.options import LogFormat, Shared, duration, utc_time


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        (Shared(), Shared(), Shared()),
        (Shared(verbose=1), Shared(verbose=1), Shared(verbose=2)),
        (Shared(quiet=True), Shared(), Shared(quiet=True)),
        (Shared(), Shared(quiet=True), Shared(quiet=True)),
        (Shared(no_color=True), Shared(), Shared(no_color=True)),
        (Shared(), Shared(no_color=True), Shared(no_color=True)),
        (Shared(log_format=LogFormat.JSON), Shared(), Shared(log_format=LogFormat.JSON)),
        (
            Shared(log_format=LogFormat.JSON),
            Shared(log_format=LogFormat.TEXT),
            # What stands nearer to the command counts.
            Shared(log_format=LogFormat.TEXT),
        ),
    ],
)
def test_what_is_given_before_and_after_the_command_is_joined(before: Shared, after: Shared, joined: Shared) -> None:
    assert before.joined(after) == joined


def test_shared_options_are_taken_out_of_the_command_s() -> None:
    options: dict[str, Any] = {"verbose": 2, "quiet": True, "no_color": False, "log_format": None, "limit": 3}
    assert Shared.taken_from(options) == Shared(verbose=2, quiet=True)
    assert options == {"limit": 3}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-15T03:48:02Z", datetime(2024, 1, 15, 3, 48, 2, tzinfo=UTC)),
        ("2024-01-15T03:48:02+02:00", datetime(2024, 1, 15, 1, 48, 2, tzinfo=UTC)),
        ("2024-01-15T03:48:02", datetime(2024, 1, 15, 3, 48, 2, tzinfo=UTC)),
        ("2024-01-15", datetime(2024, 1, 15, tzinfo=UTC)),
        ("Mon, 15 Jan 2024 03:48:02 GMT", datetime(2024, 1, 15, 3, 48, 2, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert utc_time(text) == moment
    assert utc_time(text).tzinfo is UTC


def test_a_time_can_be_told_from_now() -> None:
    before = datetime.now(tz=UTC)
    two_hours, midnight = utc_time("2h"), utc_time("Yesterday")
    after = datetime.now(tz=UTC)
    assert before <= two_hours + timedelta(hours=2) <= after
    assert midnight.timetz().isoformat() == "00:00:00+00:00"
    assert before.date() <= midnight.date() + timedelta(days=1) <= after.date()


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00:00+09:00"])
def test_what_is_no_time_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time such as"):
        utc_time(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("90m", timedelta(minutes=90)),
        (" 2h ", timedelta(hours=2)),
        ("1.5h", timedelta(minutes=90)),
        ("10d", timedelta(days=10)),
        ("1h30m", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_a_span_of_time_has_a_number_and_a_unit(text: str, span: timedelta) -> None:
    assert duration(text) == span


@pytest.mark.parametrize("text", ["", "2", "h", "2 h", "-2h", "2w", "2h30", ".5h", "1.h"])
def test_what_is_no_span_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no span of time"):
        duration(text)


def test_a_span_that_is_longer_than_time_is_wrong_usage() -> None:
    with pytest.raises(typer.BadParameter, match="is longer than 36,500 days"):
        duration("99999999999d")
