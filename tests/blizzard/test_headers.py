from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.blizzard.headers import header, http_time


@settings(deadline=None)
@given(text=st.one_of(st.text(), st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,5} \d\d?:\d\d?:\d\d?( [+-]\d{1,6}| GMT)?")))
def test_any_text_is_an_aware_utc_time_or_none(text: str) -> None:
    moment = http_time(text)
    assert moment is None or moment.utcoffset() == timedelta()


def test_a_header_is_found_in_any_case_and_none_where_it_is_missing() -> None:
    assert header({"LAST-MODIFIED": "x"}, "Last-Modified") == "x"
    assert header({"Date": "x"}, "Last-Modified") is None
