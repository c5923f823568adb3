from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.blizzard.headers import header, http_time, kept_for, retry_after

ANSWERED = "Sat, 07 Mar 2026 12:00:05 GMT"


@settings(deadline=None)
@given(text=st.one_of(st.text(), st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,5} \d\d?:\d\d?:\d\d?( [+-]\d{1,6}| GMT)?")))
def test_any_text_is_an_aware_utc_time_or_none(text: str) -> None:
    moment = http_time(text)
    assert moment is None or moment.utcoffset() == timedelta()


@pytest.mark.parametrize(
    "text",
    [
        "Sat, 3 Oct 2020 21:08:05 GMT",
        "Sat, 03 Oct 2020 21:08:05 GMT",
        "Sat, 03 Oct 2020 21:08:05 -0000",
        "Sat, 03 Oct 2020 21:08:05",
        "Sat, 03 Oct 2020 23:08:05 +0200",
        "Sat, 03 Oct 2020 16:08:05 -0500",
    ],
)
def test_a_time_is_that_of_greenwich_unless_it_names_another_zone(text: str) -> None:
    assert http_time(text) == datetime(2020, 10, 3, 21, 8, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "Sat, 31 Feb 2020 21:08:05 GMT",
        "Fri, 31 Dec 9999 23:59:59 -0500",
        f"Sat, 03 Oct 2020 21:08:05 +{'9' * 400}",
        "Sat, 03 Oct 99999999999999999999 21:08:05 GMT",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert http_time(text) is None


def test_a_header_is_found_in_any_case_and_none_where_it_is_missing() -> None:
    assert header({"LAST-MODIFIED": "x"}, "Last-Modified") == "x"
    assert header({"Date": "x"}, "Last-Modified") is None


@pytest.mark.parametrize(
    ("given_as", "seconds"),
    [
        ("0", 0.0),
        ("0.5", 0.5),
        ("120", 120.0),
        ("-3", 0.0),
        ("nan", 0.0),
        ("inf", float("inf")),
        ("Sat, 7 Mar 2026 12:00:40 GMT", 35.0),
        (ANSWERED, 0.0),
        ("Sat, 07 Mar 2026 11:59:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_what_is_asked_for_is_seconds_from_when_the_answer_was_given(given_as: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": given_as, "date": ANSWERED}) == seconds


@pytest.mark.parametrize("date", [{}, {"Date": "soon"}])
def test_a_moment_to_wait_for_is_nothing_where_nobody_knows_when_the_answer_was_given(date: dict[str, str]) -> None:
    assert retry_after({"Retry-After": "Sat, 7 Mar 2026 12:00:40 GMT"} | date) is None
    assert retry_after({"Retry-After": "7"} | date) == 7.0


def test_nothing_asked_for_is_nothing() -> None:
    assert retry_after({"Date": ANSWERED}) is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("max-age=300", 300.0),
        ('public, MAX-AGE="300"', 300.0),
        ("max-age=0", 0.0),
        ("max-age=-1", 0.0),
        ("no-store", 0.0),
        ("max-age=300, no-store", 0.0),
        ("No-Cache, max-age=300", 0.0),
        # What is said of an end counts where no age is.
        ("public", 60.0),
        (None, 60.0),
    ],
)
def test_an_answer_is_kept_for_as_long_as_it_says_itself(said: str | None, seconds: float) -> None:
    headers = {"Date": ANSWERED, "Expires": "Sat, 07 Mar 2026 12:01:05 GMT"}
    assert kept_for(headers | ({"cache-control": said} if said else {})) == seconds


def test_an_end_that_is_over_or_of_which_nobody_knows_when_it_was_said_keeps_nothing() -> None:
    assert kept_for({"Date": ANSWERED, "Expires": "Sat, 07 Mar 2026 12:00:00 GMT"}) == 0.0
    assert kept_for({"Expires": ANSWERED}) == kept_for({"Date": ANSWERED}) == 0.0
