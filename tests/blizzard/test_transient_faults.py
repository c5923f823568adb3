from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest
import requests

from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.blizzard.transient_faults import (
    Retries,
    TransientFault,
    cause,
    is_worth_waiting,
    raise_transient,
    shown,
)
from ironforge_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.clocks import TickingClock


def answer(status: int, reason: str = "", headers: Mapping[str, str] | None = None) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason = status, reason
    response.headers.update(headers or {})
    return response


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404, 407, 409, 424, 428, 430, 499])
def test_statuses_that_stay_are_no_transient_faults(status: int) -> None:
    raise_transient(answer(status, "Whatever", {"Retry-After": "7"}))


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
    with pytest.raises(TransientFault) as fault:
        raise_transient(answer(status, reason, headers))
    assert str(fault.value) == told
    assert fault.value.retry_after == seconds


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (TransientFault("x"), True),
        (TransientFault("x", retry_after=0.0), True),
        (TransientFault("x", retry_after=120.0), True),
        (TransientFault("x", retry_after=120.5), False),
        (ValueError("x"), False),
    ],
)
def test_two_minutes_are_waited_for_and_no_more(error: Exception, *, worth: bool) -> None:
    assert is_worth_waiting(error) is worth


def fail(retry_after: float | None = None) -> Callable[[], None]:
    def ask() -> None:
        raise TransientFault("no answer", retry_after=retry_after)

    return ask


def test_attempts_are_counted_and_each_wait_is_told(caplog: pytest.LogCaptureFixture) -> None:
    retries = Retries(sleep=lambda _: None, jitter=lambda: 0.5)
    with caplog.at_level(logging.WARNING), pytest.raises(UnavailableError, match=r"no answer, for http://x \(tried 5 "):
        retries.run(fail(), of="http://user:word@x", deadline=None)
    assert [record.getMessage() for record in caplog.records] == [
        f"Blizzard: no answer; attempt {number} of 5, again in {seconds} s"
        for number, seconds in ((1, "1.2"), (2, "2.5"), (3, "5.0"), (4, "10.0"))
    ]


@pytest.mark.parametrize(
    ("left", "retry_after", "slept", "told"),
    [
        (60.0, None, [1.25, 2.5, 5.0, 10.0], "tried 5 times)"),
        (5.0, None, [1.25, 2.5], "tried 3 times, to the window's end"),
        (1.0, None, [], "tried once, to the window's end"),
        (0.0, None, [], "tried once, to the window's end"),
        (-3.0, None, [], "tried once, to the window's end"),
        (60.0, 30.0, [30.0, 30.0], "tried 3 times, to the window's end"),
        (60.0, 90.0, [], "tried once, to the window's end"),
        (600.0, 300.0, [], r"tried once)"),
    ],
)
def test_no_wait_for_another_attempt_goes_past_the_deadline(
    clock: TickingClock, left: float, retry_after: float | None, slept: list[float], told: str
) -> None:
    deadline = Deadline(at=clock.monotonic() + left, monotonic=clock.monotonic)
    retries = Retries(sleep=clock.sleep, jitter=lambda: 0.5)
    with pytest.raises(UnavailableError, match=re.escape(told)):
        retries.run(fail(retry_after), of="http://x", deadline=deadline)
    assert clock.slept == slept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://user:word@host/x?y=a@b", "http://host/x?y=a@b"),
        ("proxy http://word@host and //a@b/c", "proxy http://host and //b/c"),
        ("https://host/a@b", "https://host/a@b"),
        ("http://user:p@ss@host/x", "http://host/x"),
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
