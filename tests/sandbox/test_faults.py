from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from ironforge_cli.regions import Region
from ironforge_cli.sandbox.faults import ENDPOINTS, FAULTS
from ironforge_cli.sandbox.stand_in import Sandbox

Ask = Callable[..., requests.Response]
COMMODITIES = "auctions/commodities"


def modified(answer: requests.Response) -> float:
    return parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()


def held(answer: requests.Response) -> dict[str, str]:
    return {"If-Modified-Since": answer.headers["Last-Modified"]}


def odd_one_out(answer: requests.Response, whole: requests.Response) -> dict[str, Any]:
    """Return the one auction that differs from what was published, and see that nothing else does."""
    got, real = answer.json()["auctions"], whole.json()["auctions"]
    assert len(got) == len(real)
    different = [one for one, other in zip(got, real, strict=True) if one != other]
    assert len(different) == 1
    return different[0]


def test_every_fault_has_a_description_for_the_documentation() -> None:
    assert len(FAULTS) >= 35
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert fault.description.endswith(".")
        assert len(fault.description) < 120


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_after_a_fault_the_next_answer_is_whole(sandbox: Sandbox, ask: Ask, name: str) -> None:
    whole = ask(COMMODITIES)
    sandbox.advance()
    sandbox.set_fault(name, region=Region.EU, endpoint="commodities", count=1, seconds=0)
    try:
        ask(COMMODITIES, timeout=1 if name == "hang" else 10)
    except requests.RequestException:
        assert name in {"cut_connection", "hang"}
    assert sandbox.requests[-1].fault == name
    again = ask(COMMODITIES)
    assert again.status_code == 200
    assert again.content == sandbox.published(Region.EU).body
    assert modified(again) > modified(whole)


def test_stale_repeats_the_old_hour_with_200_even_to_who_holds_it(sandbox: Sandbox, ask: Ask) -> None:
    first = ask(COMMODITIES)
    sandbox.set_fault("stale")
    sandbox.advance(hours=3)
    answer = ask(COMMODITIES, headers=held(first))
    assert (answer.status_code, answer.content) == (200, first.content)
    assert modified(answer) == modified(first)
    sandbox.clear_faults()
    assert ask(COMMODITIES).content != first.content


def test_stuck_last_modified_dates_new_auctions_with_the_old_time(sandbox: Sandbox, ask: Ask) -> None:
    first = ask(COMMODITIES)
    sandbox.set_fault("stuck_last_modified")
    sandbox.advance()
    answer = ask(COMMODITIES, headers=held(first))
    assert modified(answer) == modified(first)
    assert answer.content == sandbox.published(Region.EU).body != first.content


def test_same_body_new_time_dates_the_old_auctions_with_the_new_time(sandbox: Sandbox, ask: Ask) -> None:
    first = ask(COMMODITIES)
    sandbox.set_fault("same_body_new_time")
    sandbox.advance()
    answer = ask(COMMODITIES, headers=held(first))
    assert (answer.status_code, answer.content) == (200, first.content)
    assert modified(answer) == sandbox.published(Region.EU).published_at.timestamp()
    assert ask(COMMODITIES, headers=held(answer)).status_code == 304


def test_late_body_gives_its_own_auctions_under_the_same_time_a_while_later(sandbox: Sandbox, ask: Ask) -> None:
    first = ask(COMMODITIES)
    sandbox.set_fault("late_body", count=1)
    sandbox.advance()
    early = ask(COMMODITIES, headers=held(first))
    assert (early.status_code, early.content) == (200, first.content)
    assert ask(COMMODITIES, headers=held(early)).status_code == 304
    late = ask(COMMODITIES, headers=held(first))
    assert (modified(late), late.content) == (modified(early), sandbox.published(Region.EU).body)


def test_past_last_modified_goes_back_an_hour(sandbox: Sandbox, ask: Ask) -> None:
    first = ask(COMMODITIES)
    sandbox.advance()
    newer = ask(COMMODITIES)
    sandbox.set_fault("past_last_modified")
    answer = ask(COMMODITIES, headers=held(newer))
    assert (answer.status_code, answer.content, modified(answer)) == (200, first.content, modified(first))


def test_future_last_modified_is_far_ahead_of_the_date(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("future_last_modified")
    answer = ask(COMMODITIES)
    ahead = parsedate_to_datetime(answer.headers["Last-Modified"]) - parsedate_to_datetime(answer.headers["Date"])
    assert ahead == timedelta(hours=2)


def test_jittered_last_modified_differs_by_less_than_a_minute_for_one_body(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("jittered_last_modified")
    answers = [ask(COMMODITIES) for _ in range(4)]
    times = [modified(answer) for answer in answers]
    assert len(set(times)) == 4
    assert max(times) - min(times) < 60
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(
    ("name", "header"),
    [("missing_last_modified", None), ("unparseable_last_modified", "the day before yesterday")],
)
def test_last_modified_can_be_missing_or_nonsense(sandbox: Sandbox, ask: Ask, name: str, header: str | None) -> None:
    first = ask(COMMODITIES)
    sandbox.set_fault(name)
    answer = ask(COMMODITIES, headers=held(first))
    assert (answer.status_code, answer.headers.get("Last-Modified")) == (200, header)
    assert answer.content == first.content


def test_a_truncated_body_arrives_complete_and_is_no_json(sandbox: Sandbox, ask: Ask) -> None:
    whole = ask(COMMODITIES).content
    sandbox.set_fault("truncated")
    answer = ask(COMMODITIES)
    assert answer.status_code == 200
    assert answer.content == whole[: len(whole) * 2 // 3]
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_cut_connection_breaks_in_the_middle_of_the_body(sandbox: Sandbox, ask: Ask) -> None:
    ask(COMMODITIES)
    sandbox.set_fault("cut_connection")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ask(COMMODITIES)


def test_a_hanging_server_lets_the_client_wait_until_it_gives_up(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("hang", endpoint="token")
    with pytest.raises(requests.ReadTimeout):
        ask("token/index", timeout=0.1)
    assert ask(COMMODITIES).status_code == 200


def test_a_dripping_body_is_whole_in_the_end(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("slow_drip", seconds=0.001)
    assert ask(COMMODITIES).content == sandbox.published(Region.EU).body


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("html", 200, "text/html"),
        ("html_5xx", 502, "text/html"),
        ("server_error", 500, "application/json;charset=UTF-8"),
        ("rate_limited", 429, "application/json;charset=UTF-8"),
        ("unauthorized", 401, "application/json;charset=UTF-8"),
        ("forbidden", 403, "application/json;charset=UTF-8"),
        ("not_found", 404, "application/json;charset=UTF-8"),
    ],
)
def test_errors_come_as_json_from_the_gateway_and_as_pages_from_before_it(
    sandbox: Sandbox, ask: Ask, name: str, status: int, kind: str
) -> None:
    sandbox.set_fault(name)
    for path in (COMMODITIES, "token/index", "profession/index"):
        answer = ask(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
        assert answer.text.startswith("<!DOCTYPE html>" if kind == "text/html" else f'{{"code":{status},')


def test_an_error_can_have_another_status_and_say_when_to_come_again(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("html_5xx", status=503, count=1)
    sandbox.set_fault("rate_limited", retry_after=7)
    assert ask(COMMODITIES).status_code == 503
    assert ask(COMMODITIES).headers["Retry-After"] == "7"
    sandbox.clear_faults("rate_limited")
    sandbox.set_fault("rate_limited")
    assert "Retry-After" not in ask(COMMODITIES).headers


def test_answers_can_be_without_a_body(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("no_content", count=1)
    sandbox.set_fault("empty", count=1)
    answers = [ask(COMMODITIES), ask(COMMODITIES)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b""), (200, b"")]


def test_auctions_can_be_missing_or_none(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("no_auctions", count=1)
    sandbox.set_fault("empty_auctions", count=1)
    links = ask(COMMODITIES).json()
    assert list(links) == ["_links"]
    assert ask(COMMODITIES).json() == {**links, "auctions": []}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("negative_number", -100),
        ("zero_number", 0),
        ("huge_number", 2**63),
        ("fractional_number", 1500.5),
        ("textual_number", "1500"),
        ("null_number", None),
    ],
)
@pytest.mark.parametrize("field", ["unit_price", "quantity", "id", "item"])
def test_one_number_of_one_auction_can_be_impossible(
    sandbox: Sandbox, ask: Ask, name: str, value: float | str | None, field: str
) -> None:
    whole = ask(COMMODITIES)
    sandbox.set_fault(name, field=field)
    auction = odd_one_out(ask(COMMODITIES), whole)
    assert (auction["item"]["id"] if field == "item" else auction[field]) == value


def test_the_tokens_price_can_be_impossible(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("negative_number", endpoint="token")
    assert ask("token/index").json()["price"] == -100


def test_one_auction_can_come_twice(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("duplicate_ids")
    ids = Counter(auction["id"] for auction in ask(COMMODITIES).json()["auctions"])
    assert sorted(ids.values())[-2:] == [1, 2]


def test_time_left_can_be_a_word_that_nobody_knows(sandbox: Sandbox, ask: Ask) -> None:
    whole = ask(COMMODITIES)
    sandbox.set_fault("unknown_time_left")
    assert odd_one_out(ask(COMMODITIES), whole)["time_left"] == "ETERNAL"


@pytest.mark.parametrize("field", ["unit_price", "quantity", "id", "item", "time_left"])
def test_a_key_can_be_missing(sandbox: Sandbox, ask: Ask, field: str) -> None:
    whole = ask(COMMODITIES)
    sandbox.set_fault("missing_key", field=field)
    auction = odd_one_out(ask(COMMODITIES), whole)
    assert set(auction) == {"unit_price", "quantity", "id", "item", "time_left"} - {field}


def test_one_auction_can_be_odd_for_as_long_as_it_stands(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("odd_auction")
    odd: list[int] = []
    for _ in range(3):
        got = ask(COMMODITIES).json()["auctions"]
        odd.append(next(auction["id"] for auction in got if "unit_price" not in auction))
        assert sum("unit_price" not in auction for auction in got) == 1
        sandbox.advance()
    assert len(set(odd)) == 1


def test_every_tenth_auction_can_be_odd(sandbox: Sandbox, ask: Ask) -> None:
    whole = ask(COMMODITIES).json()["auctions"]
    sandbox.set_fault("odd_auctions")
    got = ask(COMMODITIES).json()["auctions"]
    assert [auction["id"] for auction in got] == [auction["id"] for auction in whole]
    assert sum("unit_price" not in auction for auction in got) == len(whole) // 10


def test_keys_can_be_added_at_every_level(sandbox: Sandbox, ask: Ask) -> None:
    whole = ask(COMMODITIES)
    sandbox.set_fault("extra_keys")
    answer = ask(COMMODITIES)
    auction = odd_one_out(answer, whole)
    assert list(answer.json()) == ["_links", "auctions", "connected_realm"]
    assert list(auction) == ["id", "item", "quantity", "unit_price", "time_left", "seller", "bid"]
    assert list(auction["item"]) == ["id", "context", "modifiers"]


def test_a_body_can_begin_with_a_byte_order_mark_or_be_garbage(sandbox: Sandbox, ask: Ask) -> None:
    whole = ask(COMMODITIES).content
    sandbox.set_fault("bom", count=1)
    sandbox.set_fault("garbage", count=1)
    assert ask(COMMODITIES).content == b"\xef\xbb\xbf" + whole
    garbage = ask(COMMODITIES).content
    assert len(garbage) == len(whole)
    with pytest.raises(UnicodeDecodeError):
        garbage.decode()


def test_a_fault_of_the_body_leaves_a_304_alone(sandbox: Sandbox, ask: Ask) -> None:
    first = ask(COMMODITIES)
    sandbox.set_fault("truncated", count=1)
    assert ask(COMMODITIES, headers=held(first)).status_code == 304
    assert ask(COMMODITIES).content != first.content


def test_a_fault_strikes_only_where_it_is_aimed(sandbox: Sandbox, ask: Ask) -> None:
    recipe = next(iter(sandbox.catalogue.recipes))
    sandbox.set_fault("server_error", region=Region.US)
    sandbox.set_fault("not_found", endpoint="recipe", path=f"/recipe/{recipe}")
    others = [ask(f"recipe/{number}").status_code for number in list(sandbox.catalogue.recipes)[1:10]]
    assert ask(f"recipe/{recipe}").status_code == 404
    assert 200 in others
    assert ask(COMMODITIES).status_code == 200
    assert ask(COMMODITIES, region="us").status_code == 500
    sandbox.clear_faults(region=Region.US)
    assert ask(COMMODITIES, region="us").status_code == 200
    assert ask(f"recipe/{recipe}").status_code == 404


def test_a_fault_can_begin_late_and_end_early(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.set_fault("unauthorized", after=2, count=1)
    assert [ask("token/index").status_code for _ in range(5)] == [200, 200, 401, 200, 200]


def test_the_token_endpoint_fails_only_when_it_is_named(sandbox: Sandbox, ask: Ask) -> None:
    def grant() -> int:
        auth = (sandbox.client_id, sandbox.client_secret)
        form = {"grant_type": "client_credentials"}
        return requests.post(sandbox.oauth_url, data=form, auth=auth, timeout=10).status_code

    sandbox.set_fault("server_error")
    assert grant() == 200
    assert ask("token/index").status_code == 500
    sandbox.set_fault("server_error", endpoint="oauth", status=503)
    assert grant() == 503


def test_faults_and_endpoints_that_do_not_exist_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="no fault is called 'rain'"):
        sandbox.set_fault("rain")
    with pytest.raises(ValueError, match=f"there are {', '.join(ENDPOINTS)}"):
        sandbox.set_fault("html", endpoint="mail")
    with pytest.raises(ValueError, match="of commodities alone"):
        sandbox.set_fault("stale", endpoint="token")
