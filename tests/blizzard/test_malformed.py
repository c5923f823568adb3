from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.blizzard.malformed import NOT_JSON, elements, not_json, sentence

MARK = b"\xef\xbb\xbf"


def told(text: bytes, *, mark: bytes = b"") -> str:
    """What is said of a text that is no JSON."""
    try:
        msgspec.json.decode(text)
    except NOT_JSON as error:
        return not_json(mark + text, text, error)
    raise AssertionError("it is JSON")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is empty."),
        (b" \r\n\t", "is empty."),
        (b" <html>", "is a page of HTML instead of JSON."),
        (b"[" * 100_000, "is nested deeper than any of its answers is."),
        (b'{"a":1', "is cut off at byte 6 of 6: Input data was truncated."),
        (b'{"a":tru ]', "is not JSON at byte 9 of 10: JSON is malformed: invalid character."),
        (b"[1, x]", "is not JSON at byte 4 of 6: JSON is malformed: invalid character."),
        (b"[1] ]", "is not JSON at byte 5 of 5: JSON is malformed: trailing characters."),
        (b'["a\xff"]', "is not JSON at byte 3 of 6: it is not UTF-8."),
        (b'["' + b"a" * 2_000 + b'\xff"]', "is not JSON at byte 2,002 of 2,005: it is not UTF-8."),
    ],
)
def test_what_is_no_json_is_told_with_where_it_ends(text: bytes, words: str) -> None:
    assert told(text) == f"Blizzard's answer {words}"


def test_bytes_are_counted_from_the_mark_in_front_of_the_text() -> None:
    assert "at byte 7 of 9:" in told(b"[1, x]", mark=MARK)
    assert "at byte 6 of 9:" in told(b'["a\xff"]', mark=MARK)
    assert "cut off at byte 9 of 9:" in told(b'{"a":1', mark=MARK)


@pytest.mark.parametrize(("words", "said"), [("x", "x."), ("x.", "x."), ("x...", "x.")])
def test_a_sentence_ends_with_one_full_stop(words: str, said: str) -> None:
    assert sentence(ValueError(words)) == said


spaces = st.text(" \t\r\n", max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(listed=st.lists(values, max_size=5), gaps=st.lists(spaces, min_size=14, max_size=14), cut=st.integers(0, 60))
def test_the_elements_of_a_list_are_those_that_are_whole(listed: list[Any], gaps: list[str], cut: int) -> None:
    written = [json.dumps(value, ensure_ascii=False) for value in listed]
    body = f'{{"x":[0],"auctions"{gaps[0]}:{gaps[1]}['
    ends: list[int] = []
    for number, one in enumerate(written):
        body += ("," if number else "") + gaps[2 + 2 * number] + one
        ends.append(len(body.encode()))
        body += gaps[3 + 2 * number]
    whole = (body + "],]").encode()
    assert list(elements(whole, key="auctions")) == [one.encode() for one in written]
    kept = whole[: len(whole) - cut]
    found = list(elements(kept, key="auctions"))
    # A number that is cut is a number, too.
    sure = [one.encode() for one, end in zip(written, ends, strict=True) if end <= len(kept)]
    assert found[: len(sure)] == sure
    assert len(found) <= len(sure) + 1


def test_only_the_list_of_the_key_is_read() -> None:
    assert list(elements(b'{"other":[1]}', key="auctions")) == []
    assert list(elements(b'{"auctions":{}}', key="auctions")) == []
    assert list(elements(b'{"auctions":[1 2]}', key="auctions")) == [b"1"]
    assert list(elements(b'{"a.b":[1],"axb":[2]}', key="a.b")) == [b"1"]
    assert list(elements(b'{"axb":[2]}', key="a.b")) == []


def test_bytes_that_are_not_utf8_come_back_as_they_were() -> None:
    assert list(elements(b'{"auctions":["\xff", 2', key="auctions")) == [b'"\xff"', b"2"]


def test_an_element_that_is_nested_too_deep_ends_the_list() -> None:
    assert list(elements(b'{"auctions":[1,' + b"[" * 100_000, key="auctions")) == [b"1"]
