from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.blizzard import payloads
from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.market.auctions import LeftOut
from ironforge_cli.market.catalogue import Named
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.regions import Region
from tests.blizzard.bodies import auction, body_of, written

INT32_MAX, INT64_MAX, DEAREST = 2**31 - 1, 2**63 - 1, 10**15
NOON = datetime(2026, 3, 7, 12, 0, 5, tzinfo=UTC)


def refusal(body: bytes, *, region: Region = Region.EU) -> str:
    with pytest.raises(RefusedAnswerError) as refused:
        payloads.commodities(body, region=region)
    return str(refused.value)


def one_left_out(body: bytes, auctions: list[Any], *, at: int) -> LeftOut:
    """What is left out of a body that is read but for one element."""
    read = payloads.commodities(body, region=Region.EU)
    assert read.auction_id.tolist() == sorted(one["id"] for number, one in enumerate(auctions) if number != at)
    assert read.left_out.count == 1
    return read.left_out


listings = st.lists(
    st.builds(
        auction,
        st.integers(1, INT64_MAX),
        item=st.fixed_dictionaries({"id": st.integers(1, INT32_MAX)}),
        quantity=st.integers(1, INT32_MAX),
        unit_price=st.integers(1, DEAREST),
        time_left=st.sampled_from([left.name for left in TimeLeft]),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda one: one["id"],
)


@settings(deadline=None)
@given(auctions=listings, mark=st.sampled_from([b"", b"\xef\xbb\xbf"]), region=st.sampled_from(Region))
def test_any_list_of_valid_auctions_is_read_whole_and_sorted_by_id(
    auctions: list[dict[str, Any]], mark: bytes, region: Region
) -> None:
    read = payloads.commodities(mark + body_of(auctions, region=region), region=region)
    expected = sorted(auctions, key=lambda one: one["id"])
    assert read.auction_id.tolist() == [one["id"] for one in expected]
    assert read.item_id.tolist() == [one["item"]["id"] for one in expected]
    assert read.unit_price.tolist() == [one["unit_price"] for one in expected]
    assert read.quantity.tolist() == [one["quantity"] for one in expected]
    assert [TimeLeft(code).name for code in read.time_left.tolist()] == [one["time_left"] for one in expected]


@settings(deadline=None)
@given(auctions=listings, indent=st.sampled_from([None, 1, "\t"]))
def test_spaces_and_unknown_keys_change_nothing(auctions: list[dict[str, Any]], indent: int | str | None) -> None:
    grown: list[Any] = [
        {"seller": {"names": [[], {"é": None}]}, **one, "item": {**one["item"], "modifiers": [{"type": 9}]}}
        for one in auctions
    ]
    document: dict[str, Any] = {"connected_realm": {"id": 1}, "auctions": grown, "later": ["auctions", {"auctions": 5}]}
    read = payloads.commodities(json.dumps(document, indent=indent).encode(), region=Region.EU)
    assert read.auction_id.tolist() == sorted(one["id"] for one in auctions)


WRONG: dict[str, list[tuple[str, str]]] = {
    "id": [
        *(
            (value, "`$.auctions[{at}].id`")
            for value in ("0", "-1", "1.5", "1.0", "1e3", "1e400", '"1"', "null", "true", "[]", "{}")
        ),
        (str(INT64_MAX + 1), "`$.auctions[{at}].id`"),
        ("9" * 40, "`$.auctions[{at}].id`"),
    ],
    "item": [
        ("5", "`$.auctions[{at}].item`"),
        ("null", "`$.auctions[{at}].item`"),
        ("{}", "field `id` - at `$.auctions[{at}].item.id`"),
        ('{"id":0}', "`$.auctions[{at}].item.id`"),
        (f'{{"id":{INT32_MAX + 1}}}', "`$.auctions[{at}].item.id`"),
        ('{"id":"x"}', "`$.auctions[{at}].item.id`"),
    ],
    "quantity": [
        (value, "`$.auctions[{at}].quantity`") for value in ("0", "-5", "2.5", "null", str(INT32_MAX + 1), '"3"')
    ],
    "unit_price": [
        (value, "`$.auctions[{at}].unit_price`")
        for value in ("0", "-100", "1500.5", "null", '"1500"', str(DEAREST + 1), str(2**63), "false")
    ],
    "time_left": [
        (value, "`$.auctions[{at}].time_left`") for value in ('"ETERNAL"', '""', '"short"', "null", "3", "[]")
    ],
}


@pytest.mark.parametrize(
    ("field", "value", "path"), [(field, value, path) for field, cases in WRONG.items() for value, path in cases]
)
def test_a_wrong_value_costs_its_auction_alone_and_two_the_body(field: str, value: str, path: str) -> None:
    auctions = [auction(number) for number in range(1, 41)]
    auctions[17][field] = "HERE"
    left_out = one_left_out(body_of(auctions).replace(b'"HERE"', value.encode()), auctions, at=17)
    assert left_out.first is not None
    assert path.format(at=17) in left_out.first
    assert left_out.auction_id == (() if field == "id" else (18,))
    assert left_out.item_id == (() if field == "item" else (200_018,))
    auctions[19][field] = "HERE"
    message = refusal(body_of(auctions).replace(b'"HERE"', value.encode()))
    assert path.format(at=17) in message
    assert message.startswith("Blizzard's answer is malformed: ")
    assert "one of 2 of 40 auctions" in message
    assert "--force" in message


@pytest.mark.parametrize("field", ["id", "item", "quantity", "unit_price", "time_left"])
def test_a_missing_key_costs_its_auction_alone(field: str) -> None:
    auctions = [auction(number) for number in range(1, 41)]
    del auctions[39][field]
    left_out = one_left_out(body_of(auctions), auctions, at=39)
    assert f"missing required field `{field}` - at `$.auctions[39].{field}`" in (left_out.first or "")


@pytest.mark.parametrize("element", ["null", "7", '"x"', "[]", "1e999", "[" * 500 + "]" * 500])
def test_an_element_that_is_no_auction_costs_itself_alone(element: str) -> None:
    auctions: list[Any] = [auction(1), "HERE", auction(2)]
    left_out = one_left_out(body_of(auctions).replace(b'"HERE"', element.encode()), auctions, at=1)
    assert "`$.auctions[1]`" in (left_out.first or "")
    assert left_out.item_id == left_out.auction_id == ()


@pytest.mark.parametrize("listed", [1, 2, 1_999, 2_000, 3_456, 99_999, 100_000, 150_000])
def test_one_in_a_thousand_may_be_left_out_but_never_above_a_hundred(listed: int) -> None:
    most = max(1, min(100, listed // 1_000))
    for odd in (most, most + 1):
        whole = written(auction(1)).replace(b'"id":1,', b'"id":%d,', 1)
        listing = [*[b"0"] * odd, *(whole % number for number in range(1, listed - odd + 1))]
        body = body_of([]).replace(b"[]", b"[%s]" % b",".join(listing))
        if odd >= listed:
            assert "one has to stay" in refusal(body)
        elif odd > most:
            assert f"one of {odd:,} of {listed:,} auctions" in refusal(body)
        else:
            assert payloads.commodities(body, region=Region.EU).left_out.count == odd


def test_by_force_whatever_makes_sense_is_taken_and_nothing_is_never_taken() -> None:
    auctions: list[Any] = [auction(1), *([None] * 40), auction(2), auction(3, quantity=0)]
    forced = payloads.commodities(body_of(auctions), region=Region.EU, force=True)
    assert forced.auction_id.tolist() == [1, 2]
    assert (forced.left_out.count, forced.left_out.item_id, forced.left_out.auction_id) == (41, (200_003,), (3,))
    with pytest.raises(RefusedAnswerError, match="one has to stay"):
        payloads.commodities(body_of([None, None]), region=Region.EU, force=True)


def test_a_list_that_comes_twice_is_read_as_the_last_of_them() -> None:
    body = b'{"auctions":[{"id":0}],"auctions":[' + written(auction(1)) + b"]}"
    read = payloads.commodities(body, region=Region.EU)
    assert (read.auction_id.tolist(), read.left_out.count) == ([1], 0)
    assert "lists no auctions" in refusal(b'{"auctions":[{"id":0}],"auctions":[]}')


@pytest.mark.parametrize(
    "links", ["null", "5", '"x"', "[]", '{"self":null}', '{"self":{"href":7}}', '{"self":{"href":"?namespace="}}', "{}"]
)
def test_what_is_not_needed_refuses_nothing(links: str) -> None:
    body = body_of([auction(1)])
    rest = body[body.index(b',"auctions"') :]
    read = payloads.commodities(b'{"_links":' + links.encode() + rest, region=Region.EU)
    assert (read.auction_id.tolist(), read.left_out.count) == ([1], 0)


@settings(deadline=None)
@given(at=st.integers(0, 29), cut=st.integers(1, 200))
def test_a_wrong_value_is_named_even_where_the_body_is_cut_behind_it(at: int, cut: int) -> None:
    auctions = [auction(number) for number in range(1, 41)]
    auctions[at]["time_left"] = "NEVER"
    whole = body_of(auctions)
    told = refusal(whole[:-cut])
    assert (f"`$.auctions[{at}].time_left`" in told, "whole" in told) == (True, False)


@settings(deadline=None)
@given(auctions=listings)
def test_an_auction_that_comes_twice_is_taken_once_and_counted(auctions: list[dict[str, Any]]) -> None:
    left_out = one_left_out(body_of([*auctions, auctions[0]]), [*auctions, "HERE"], at=len(auctions))
    assert f"auction {auctions[0]['id']} comes more than once" in (left_out.first or "")
    assert left_out.auction_id == (auctions[0]["id"],)


@pytest.mark.parametrize("value", [{"quantity": 9}, {"unit_price": 7}, {"item": {"id": 5}}, {"time_left": "SHORT"}])
def test_of_two_auctions_that_bear_one_id_and_differ_none_is_taken(value: dict[str, Any]) -> None:
    auctions = [auction(1), auction(2), auction(3), auction(2) | value]
    assert "one of 2 of 4 auctions" in refusal(body_of(auctions))
    read = payloads.commodities(body_of(auctions), region=Region.EU, force=True)
    assert read.auction_id.tolist() == [1, 3]
    assert read.left_out.item_id == tuple(sorted({200_002, auctions[3]["item"]["id"]}))
    assert "`$.auctions[1].id`" in (read.left_out.first or "")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["without", "with"])
def test_a_body_cut_at_any_byte_is_refused_and_names_the_last_whole_auction(mark: bytes) -> None:
    auctions = [auction(number, seller={"name": "Bärbel"}) for number in (71, 5, 113)]
    body = mark + body_of(auctions)
    head = len(mark) + len(body_of([])) - 2
    ends: list[int] = []
    for one in auctions:
        ends.append((ends[-1] + 1 if ends else head) + len(written(one)))
    assert body[: ends[-1]] + b"]}" == body
    for cut in range(len(body)):
        message = refusal(body[:cut])
        whole = sum(end <= cut for end in ends)
        if not body[:cut].removeprefix(b"\xef\xbb\xbf"):
            assert "empty" in message
        elif 0 < cut < len(mark):
            assert "not JSON at byte 0" in message
        else:
            assert f"cut off at byte {cut:,} of {cut:,}" in message
            if whole:
                assert f"The last whole auction is {auctions[whole - 1]['id']} (number {whole})." in message
            else:
                assert message.endswith("No auction in it is whole.")


@settings(deadline=None)
@given(cut=st.integers(1, 2_000), garbage=st.binary(min_size=1, max_size=50))
def test_bytes_that_are_no_json_are_always_refused(cut: int, garbage: bytes) -> None:
    body = body_of([auction(number) for number in range(1, 25)])
    refusal(body[: min(cut, len(body) - 1)] + b"\x00" + garbage)


@settings(deadline=None)
@given(body=st.binary(max_size=200))
def test_no_bytes_at_all_bring_a_parser_down(body: bytes) -> None:
    refusal(body)
    for parse in (payloads.professions, payloads.skill_tiers, payloads.recipes, payloads.item, payloads.item_search):
        with pytest.raises(RefusedAnswerError):
            parse(body, locale="en_US")
    with pytest.raises(RefusedAnswerError):
        payloads.token_price(body)
    assert payloads.fault_detail(body) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"<html><body>Bad Gateway</body></html>", "a page of HTML"),
        (b"\n <!DOCTYPE html>", "a page of HTML"),
        (b"null", "Expected `object`, got `null`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `auctions`"),
        (b'{"auctions":null}', "`$.auctions`"),
        (b'{"auctions":{}}', "`$.auctions`"),
        (b'{"auctions":[]}', "lists no auctions"),
        (b'{"auctions":[]} x', "not JSON at byte"),
        (b'{"auctions":[{"id":1}}', "`$.auctions[0]`"),
        ("{}".encode("utf-16"), "not JSON at byte 0"),
        (b'{"auctions":[{"id":1,"time_left":"\xff"}]}', "not JSON at byte 34 of 39: it is not UTF-8"),
        (b'{"x":' + b"[" * 100_000, "nested deeper"),
    ],
)
def test_what_is_no_list_of_auctions_is_refused_in_words(body: bytes, words: str) -> None:
    assert words in refusal(body)


def test_bad_utf8_in_an_auction_is_refused_at_its_byte_with_the_last_whole_auction() -> None:
    body = body_of([auction(3), auction(4, time_left="HERE"), auction(5)])
    at = body.index(b"HERE")
    message = refusal(body.replace(b"HERE", b"\xffERE"))
    assert f"not JSON at byte {at} of" in message
    assert "The last whole auction is 3 (number 1)." in message


@pytest.mark.parametrize("region", Region)
@pytest.mark.parametrize("namespace", ["dynamic-eu", "dynamic-us", "dynamic-kr", "dynamic-classic-eu", "static-us"])
@pytest.mark.parametrize("odd", [[], [None]])
def test_a_body_of_another_namespace_by_its_own_link_is_refused(region: Region, namespace: str, odd: list[Any]) -> None:
    body = body_of([auction(1), *odd]).replace(b"namespace=dynamic-eu", f"namespace={namespace}&locale=en_US".encode())
    if namespace == region.dynamic_namespace:
        assert len(payloads.commodities(body, region=region)) == 1
    else:
        assert namespace in refusal(body, region=region)


# Last-Modified


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [
        ("Sat, 3 Oct 2020 21:08:05 GMT", datetime(2020, 10, 3, 21, 8, 5, tzinfo=UTC)),
        ("Sat, 03 Oct 2020 21:08:05 GMT", datetime(2020, 10, 3, 21, 8, 5, tzinfo=UTC)),
        ("3 Oct 2020 21:08:05 -0000", datetime(2020, 10, 3, 21, 8, 5, tzinfo=UTC)),
        ("Sat, 3 Oct 2020 23:08:05 +0200", datetime(2020, 10, 3, 21, 8, 5, tzinfo=UTC)),
        ("Sat, 3 Oct 2020 21:08:05", datetime(2020, 10, 3, 21, 8, 5, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("name", ["Last-Modified", "last-modified"])
def test_a_snapshots_time_is_read_however_the_header_is_written(name: str, given_as: str, expected: datetime) -> None:
    assert payloads.published_at({name: given_as}) == expected
    assert payloads.published_at({name: given_as}).utcoffset() == timedelta()


@settings(deadline=None)
@given(moment=st.datetimes(datetime(2004, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis takes naive bounds
def test_a_padded_and_an_unpadded_day_are_the_same_time(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    padded = format_datetime(whole, usegmt=True)
    unpadded = padded.replace(", 0", ", ")
    assert payloads.published_at({"Last-Modified": padded}) == whole
    assert payloads.published_at({"Last-Modified": unpadded}) == whole


@pytest.mark.parametrize(
    "odd",
    ["", "the day before yesterday", "Sat, 31 Feb 2020 21:08:05 GMT", "1601759285", "Fri, 31 Dec 9999 23:59:59 -0500"],
)
def test_a_last_modified_that_is_no_time_is_refused_and_quoted(odd: str) -> None:
    with pytest.raises(RefusedAnswerError, match="no date") as refused:
        payloads.published_at({"Last-Modified": odd})
    assert repr(odd) in str(refused.value)


@settings(deadline=None)
@given(odd=st.text(max_size=40))
def test_no_text_of_a_last_modified_brings_the_reader_down(odd: str) -> None:
    try:
        assert payloads.published_at({"Last-Modified": odd}).utcoffset() == timedelta()
    except RefusedAnswerError as refused:
        assert repr(odd) in str(refused)  # noqa: PT017 - either outcome is right, and this is the one's message


def test_a_missing_last_modified_is_refused() -> None:
    with pytest.raises(RefusedAnswerError, match="no Last-Modified"):
        payloads.published_at({"Date": format_datetime(NOON, usegmt=True)})


@pytest.mark.parametrize(("ahead", "refused"), [(-3600, False), (0, False), (300, False), (301, True), (7200, True)])
def test_a_time_more_than_five_minutes_ahead_of_the_answer_is_refused(ahead: int, *, refused: bool) -> None:
    headers = {
        "date": format_datetime(NOON, usegmt=True),
        "last-modified": format_datetime(NOON + timedelta(seconds=ahead), usegmt=True),
    }
    if refused:
        with pytest.raises(RefusedAnswerError, match="but it was given at 2026-03-07T12:00:05"):
            payloads.published_at(headers)
    else:
        assert payloads.published_at(headers) == NOON + timedelta(seconds=ahead)


def test_an_answers_own_time_that_can_not_be_read_is_no_fault_of_last_modified() -> None:
    headers = {"Last-Modified": format_datetime(NOON, usegmt=True), "Date": "soon"}
    assert payloads.published_at(headers) == NOON


@pytest.mark.parametrize(
    ("moment", "is_taken"),
    [(datetime(2003, 12, 31, 23, 59, 59, tzinfo=UTC), False), (datetime(2004, 1, 1, tzinfo=UTC), True)],
)
def test_a_time_before_the_game_was_is_refused(moment: datetime, *, is_taken: bool) -> None:
    headers = {"Last-Modified": format_datetime(moment, usegmt=True)}
    if is_taken:
        assert payloads.published_at(headers) == moment
    else:
        with pytest.raises(RefusedAnswerError, match="before the game was: 'Wed, 31 Dec 2003"):
            payloads.published_at(headers)


# The token


@settings(deadline=None)
@given(milliseconds=st.integers(1, 253_402_300_799_999), price=st.integers(1, DEAREST))
def test_a_token_price_keeps_its_millisecond_and_its_copper(milliseconds: int, price: int) -> None:
    set_at, read = payloads.token_price(written({"last_updated_timestamp": milliseconds, "price": price}))
    assert (set_at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1) == milliseconds
    assert read == price


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("price", -100),
        ("price", 0),
        ("price", 2**63),
        ("price", 1500.5),
        ("price", "1500"),
        ("price", None),
        ("last_updated_timestamp", 0),
        ("last_updated_timestamp", 2**63 - 1),
        ("last_updated_timestamp", 253_402_300_800_000),
        ("last_updated_timestamp", "now"),
    ],
)
def test_a_wrong_token_price_is_refused_with_its_path(key: str, value: Any) -> None:
    with pytest.raises(RefusedAnswerError) as refused:
        payloads.token_price(
            written({"last_updated_timestamp": 1_601_759_284_000, "price": 1_894_280_000} | {key: value})
        )
    assert f"`$.{key}`" in str(refused.value)


# Names


@pytest.mark.parametrize(
    ("name", "locale", "expected"),
    [
        ("Mycobloom", "de_DE", "Mycobloom"),
        (None, "de_DE", None),
        ({"de_DE": "Myzelblüte", "en_US": "Mycobloom"}, "de_DE", "Myzelblüte"),
        ({"de_DE": None, "en_US": "Mycobloom"}, "de_DE", "Mycobloom"),
        ({"en_GB": "Placeholder"}, "ko_KR", "Placeholder"),
        ({"fr_FR": "Seul"}, "ko_KR", "Seul"),
        ({}, "ko_KR", None),
    ],
)
def test_a_name_comes_in_the_locale_or_in_english_or_in_any(name: Any, locale: str, expected: str | None) -> None:
    body = written({"professions": [{"key": {"href": "x"}, "name": name, "id": 171}]})
    assert payloads.professions(body, locale=locale) == [Named(id=171, name=expected)]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"code":404,"type":"BLZWEBAPI00000404","detail":"Not Found"}', "Not Found"),
        (b'\xef\xbb\xbf{"detail":"Forbidden"}', "Forbidden"),
        (b'{"error":"invalid_client"}', None),
        (b'{"detail":5}', None),
        (b"<html>Bad Gateway</html>", None),
        (b"", None),
    ],
)
def test_an_error_says_what_blizzard_says_of_it_where_it_says_anything(body: bytes, detail: str | None) -> None:
    assert payloads.fault_detail(body) == detail
