from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import requests
from tenacity import RetryError, Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from ironforge_cli.blizzard.passing import PassingFault, cause, raise_passing, say, shown, tried, worth_waiting

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(status: int, reason: str = "", headers: Mapping[str, str] | None = None) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason = status, reason
    response.headers.update(headers or {})
    return response


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404, 407, 409, 424, 428, 430, 499])
def test_statuses_that_stay_are_no_passing_faults(status: int) -> None:
    raise_passing(answer(status, "Whatever", {"Retry-After": "7"}))


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        (408, "Request Timeout", "it answered 408, Request Timeout"),
        (425, "Too Early", "it answered 425, Too Early"),
        (429, "Slow Down", "it answered 429, too many requests"),
        (500, "", "it answered 500, a server error"),
        (503, "Service Unavailable", "it answered 503, Service Unavailable"),
        (599, "x", "it answered 599, x"),
    ],
)
@pytest.mark.parametrize(("headers", "seconds"), [({}, None), ({"Retry-After": "7"}, 7.0)])
def test_statuses_that_pass_are_told_with_how_long_it_takes(
    status: int, reason: str, told: str, headers: dict[str, str], seconds: float | None
) -> None:
    with pytest.raises(PassingFault) as fault:
        raise_passing(answer(status, reason, headers))
    assert str(fault.value) == told
    assert fault.value.retry_after == seconds


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (PassingFault("x"), True),
        (PassingFault("x", retry_after=0.0), True),
        (PassingFault("x", retry_after=120.0), True),
        (PassingFault("x", retry_after=120.5), False),
        (ValueError("x"), False),
    ],
)
def test_two_minutes_are_waited_for_and_no_more(error: Exception, *, worth: bool) -> None:
    assert worth_waiting(error) is worth


@pytest.mark.parametrize(("attempts", "words"), [(1, "tried once"), (2, "tried 2 times"), (4, "tried 4 times")])
def test_attempts_are_counted_and_each_wait_is_told(
    attempts: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise PassingFault("no answer")

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_fixed(1.25),
        retry=retry_if_exception(worth_waiting),
        sleep=lambda _: None,
        before_sleep=say,
    )
    with caplog.at_level(logging.WARNING), pytest.raises(RetryError):
        retrying(fail)
    assert tried(retrying) == words
    assert [record.getMessage() for record in caplog.records] == [
        f"Blizzard: no answer; attempt {number} of 5, again in {1.25:.1f} s" for number in range(1, attempts)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://user:word@host/x?y=a@b", "http://host/x?y=a@b"),
        ("proxy http://word@host and //a@b/c", "proxy http://host and //b/c"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_names_and_passwords_of_urls_are_never_said(text: str, said: str) -> None:
    assert shown(text) == said


def test_the_innermost_reason_is_told_on_one_line() -> None:
    def wrapped(inner: Exception, outer: Exception) -> Exception:
        outer.__cause__ = inner
        return outer

    inner = OSError("refused\n  by http://user:word@host")
    assert cause(wrapped(wrapped(inner, ValueError("middle")), KeyError("outer"))) == "refused by http://host"
    # What was handled meanwhile is no reason where one is given.
    both = wrapped(ValueError("given"), KeyError("outer"))
    both.__context__ = ValueError("met")
    assert cause(both) == "given"
    both.__cause__ = None
    assert cause(both) == "met"
    assert cause(TimeoutError()) == "TimeoutError"
