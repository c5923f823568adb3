"""The price of the token: it hinders nothing, and waits on disk without a database. No server is needed for that."""

from __future__ import annotations

import json
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import runs, token_prices
from ironforge_cli.errors import (
    ConfigurationError,
    CredentialsError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    RefusedAnswerError,
    UnavailableError,
)
from ironforge_cli.jobs.collecting.tokens import TokenPrices, collect_token
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import Region
from tests.conftest import storage_in
from tests.jobs.handed import NOON

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ironforge_cli.db.repositories.runs import LogRow
    from ironforge_cli.errors import IronforgeError
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")
every_region = pytest.mark.parametrize("region", Region)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


PRICES = {region: number for number, region in enumerate(Region, start=7)}


@dataclass
class Priced:
    """Gives the price of a token, or fails."""

    error: Exception | None = None

    def token_price(self, region: Region) -> tuple[datetime, int]:
        if self.error is not None:
            raise self.error
        return NOON, PRICES[region]


@pytest.mark.parametrize("reason", [AWAY, ConfigurationError("The schema is too old.")])
@every_region
def test_a_price_that_the_database_does_not_take_waits_on_disk(
    tmp_path: Path, clock: TickingClock, region: Region, reason: IronforgeError
) -> None:
    storage = storage_in(tmp_path, MissingDatabase(reason))
    found = collect_token(region, market=Priced(), storage=storage, clock=clock)
    assert (found.region, found.outcome, found.status) == (region, Outcome.SPOOLED, reason.status)
    assert (found.updated_at, found.price) == (NOON, PRICES[region])
    assert found.message == f"{reason} The price waits on disk: the next run with a database stores it."
    # The price, and what its log row says of it.
    assert storage.pending.waiting() == 2


@pytest.mark.parametrize(("is_new", "outcome"), [(True, Outcome.STORED), (False, Outcome.NO_CHANGE)])
def test_a_price_that_is_there_already_is_no_news(
    tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, *, is_new: bool
) -> None:
    class There(MissingDatabase):
        @contextmanager
        def transaction(self) -> Generator[Any]:
            yield None

    written: list[tuple[object, ...]] = []

    def store(_: object, region: Region, *, at: datetime, price: int) -> bool:
        written.append((region, at, price))
        return is_new

    def add_log(_: object, row: LogRow) -> None:
        written.append((row.command, row.status, row.error_message, row.timestamp))

    monkeypatch.setattr(token_prices, "store", store)
    monkeypatch.setattr(runs, "add_log", add_log)
    began = clock.now()
    found = collect_token(Region.US, market=Priced(), storage=storage_in(tmp_path, There(AWAY)), clock=clock)
    assert (found.outcome, found.status, found.message) == (outcome, ExitStatus.DONE, None)
    assert (found.updated_at, found.price) == (NOON, PRICES[Region.US])
    assert written == [
        (Region.US, NOON, PRICES[Region.US]),
        ("token price", outcome.row_status, None, began),
    ]


def test_what_waits_bears_the_price_s_own_time_and_the_attempt_s_beginning(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    class Slow(Priced):
        def token_price(self, region: Region) -> tuple[datetime, int]:
            clock.sleep(90)
            return super().token_price(region)

    began = clock.now()
    collect_token(Region.EU, market=Slow(), storage=storage, clock=clock)
    lines = (tmp_path / "spool" / "log-rows.jsonl").read_text(encoding="utf-8").splitlines()
    found = {line["table"]: datetime.fromisoformat(line["row"]["timestamp"]) for line in map(json.loads, lines)}
    assert found == {"token_prices": NOON, "scraper_logs": began}


def test_a_price_that_can_not_even_wait_is_a_failure(storage: Storage, clock: TickingClock, tmp_path: Path) -> None:
    (tmp_path / "spool" / "log-rows.jsonl" / "inside").mkdir(parents=True)
    found = collect_token(Region.EU, market=Priced(), storage=storage, clock=clock)
    assert (found.outcome, found.status, found.price) == (Outcome.FAILED, ExitStatus.CONFIGURATION, None)


@pytest.mark.parametrize(
    ("error", "outcome", "status", "message"),
    [
        (RefusedAnswerError("Cut."), Outcome.REJECTED, ExitStatus.REFUSED, "Cut."),
        (UnavailableError("Down."), Outcome.FAILED, ExitStatus.UNAVAILABLE, "Down."),
        (CredentialsError("Wrong."), Outcome.FAILED, ExitStatus.CREDENTIALS, "Wrong."),
        (
            ZeroDivisionError("by zero"),
            Outcome.FAILED,
            ExitStatus.BUG,
            "An unexpected error, please report it: ZeroDivisionError: by zero",
        ),
    ],
)
def test_a_price_that_does_not_come_is_a_result_and_leaves_its_row(
    storage: Storage,
    clock: TickingClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    error: Exception,
    outcome: Outcome,
    status: ExitStatus,
    message: str,
) -> None:
    found = collect_token(Region.EU, market=Priced(error), storage=storage, clock=clock)
    # Of a bug there is a traceback.
    assert [record.exc_info is not None for record in caplog.records] == [True] * (status is ExitStatus.BUG)
    assert (found.outcome, found.status, found.message) == (outcome, status, message)
    assert (found.updated_at, found.price) == (None, None)
    (row,) = (tmp_path / "spool" / "log-rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert (f'"status":"{outcome.row_status}"' in row, '"command":"token price"' in row) == (True, True)


def test_a_price_is_not_asked_for_by_a_run_that_was_asked_to_end(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> None:
        raise InterruptedRunError("SIGINT")

    monkeypatch.setattr(clock, "check", check)
    found = collect_token(Region.EU, market=Priced(), storage=storage, clock=clock)
    assert (found.outcome, found.status) == (Outcome.FAILED, ExitStatus.INTERRUPTED)
    assert found.price is None


# Taken along by windows


class AtOnce(Executor):
    """Does what it is given at once, or when a test says so."""

    def __init__(self) -> None:
        self.waits = False
        self.waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()

        def work() -> None:
            done.set_result(fn(*args, **kwargs))

        if self.waits:
            self.waiting.append(work)
        else:
            work()
        return done


@dataclass
class Asked(Priced):
    """Counts how often it was asked."""

    times: int = 0

    def token_price(self, region: Region) -> tuple[datetime, int]:
        self.times += 1
        return super().token_price(region)


@pytest.mark.parametrize(
    ("seconds", "error", "is_away", "asked"),
    [
        # What the database could not take waits on disk, and counts as done for as long as that is away.
        (0, None, True, 1),
        (0, None, False, 2),
        (599, None, True, 1),
        (600, None, True, 2),
        (0, UnavailableError("Down."), True, 2),
        (0, UnavailableError("Down."), False, 2),
    ],
)
def test_prices_are_asked_for_again_where_they_failed_or_are_ten_minutes_old(
    storage: Storage, clock: TickingClock, seconds: int, error: Exception | None, *, is_away: bool, asked: int
) -> None:
    market = Asked(error)
    prices = TokenPrices([Region.EU], market=market, clock=clock, pool=AtOnce())
    assert prices.newest() == ()
    prices.take_along(storage, is_away=False)
    clock.sleep(seconds)
    prices.take_along(storage, is_away=is_away)
    assert market.times == asked
    (found,) = prices.newest()
    assert (found.region, found.price) == (Region.EU, None if error else PRICES[Region.EU])


def test_prices_that_are_being_asked_for_are_not_asked_for_beside(storage: Storage, clock: TickingClock) -> None:
    market, pool = Asked(), AtOnce()
    pool.waits = True
    prices = TokenPrices(list(Region)[:2], market=market, clock=clock, pool=pool)
    prices.take_along(storage, is_away=True)
    clock.sleep(3_600)
    prices.take_along(storage, is_away=True)
    (work,) = pool.waiting
    work()
    assert market.times == 2
    assert [one.region for one in prices.newest()] == list(Region)[:2]


def test_of_several_prices_one_that_failed_has_all_asked_for_again(storage: Storage, clock: TickingClock) -> None:
    @dataclass
    class Halved(Asked):
        def token_price(self, region: Region) -> tuple[datetime, int]:
            self.error = UnavailableError("Down.") if region is Region.US else None
            return super().token_price(region)

    market = Halved()
    prices = TokenPrices([Region.EU, Region.US], market=market, clock=clock, pool=AtOnce())
    for _ in range(2):
        prices.take_along(storage, is_away=True)
    assert market.times == 4
