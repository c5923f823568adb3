"""What settings and options become: values alone, without a server."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.archive.marker import MadeStore
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.blizzard import client, ratelimit, transport
from ironforge_cli.blizzard.spool import ShelfFullError
from ironforge_cli.cli.frame import logs
from ironforge_cli.cli.frame.options import Shared
from ironforge_cli.cli.frame.wiring import Stop, SystemClock
from ironforge_cli.cli.show.progress import Bars
from ironforge_cli.cli.show.seed_progress import SeedBars, SeedLines
from ironforge_cli.errors import ArchiveError, ConfigurationError, InterruptedRunError
from ironforge_cli.jobs.days import maintain
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.regions import Region
from tests.archives import made
from tests.cli.given import Given

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ironforge_cli.cli.frame.wiring import Invocation
    from ironforge_cli.jobs.storage import Storage

NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)


# Signals


def test_the_first_signal_is_the_one_that_ends_the_run() -> None:
    stop = Stop()
    stop.check()
    stop.wait(0)
    assert not stop.is_asked
    stop.ask("SIGTERM")
    stop.ask("SIGINT")
    assert stop.is_asked
    assert stop.event.is_set()
    for ends in (stop.check, lambda: stop.wait(None), lambda: stop.wait(600)):
        with pytest.raises(InterruptedRunError, match="SIGTERM"):
            ends()


def test_a_signal_that_comes_while_somebody_waits_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    waited: list[float] = []

    def interrupted(seconds: float) -> None:
        waited.append(seconds)
        stop.ask("SIGTERM")

    monkeypatch.setattr(stop.event, "wait", interrupted)
    with pytest.raises(InterruptedRunError, match="SIGTERM"):
        SystemClock(stop).sleep(600)
    assert waited == [600]


def test_a_clock_that_is_told_to_end_waits_no_longer() -> None:
    stop = Stop()
    clock = SystemClock(stop)
    clock.sleep(0)
    clock.check()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()
    stop.ask("SIGINT")
    for ends in (clock.check, lambda: clock.sleep(600)):
        with pytest.raises(InterruptedRunError):
            ends()


class Terminal(StringIO):
    """A stream that somebody watches."""

    def isatty(self) -> bool:
        return True


# What is kept, how long and where


@pytest.mark.parametrize(
    ("option", "setting", "days"),
    [(None, "12", 12), (None, "0", 0), (0, "12", 0), (5, "12", 5), (5, "0", 5)],
)
def test_the_option_says_how_long_days_stay_and_0_keeps_them_all(
    invoke: Callable[..., Invocation], option: int | None, setting: str, days: int
) -> None:
    run = invoke(IRONFORGE_RAW_RETENTION_DAYS=setting, IRONFORGE_PARTITIONS_AHEAD="3", IRONFORGE_LOG_RETENTION_DAYS="9")
    kept = run.housekeeping(retain=option)
    assert (kept.retention_days, kept.ahead, kept.log_retention_days, kept.archive) == (days, 3, 9, None)


@pytest.mark.parametrize(
    ("option", "setting", "days"),
    [(None, "12", 12), (None, "0", 0), (0, "12", 0), (5, "12", 5), (5, "0", 5)],
)
def test_the_option_says_how_many_days_are_made_ahead_and_0_is_none(
    invoke: Callable[..., Invocation], option: int | None, setting: str, days: int
) -> None:
    run = invoke(IRONFORGE_RAW_RETENTION_DAYS="20", IRONFORGE_PARTITIONS_AHEAD=setting)
    kept = run.housekeeping(ahead=option)
    assert (kept.ahead, kept.retention_days, kept.log_retention_days) == (days, 20, 400)


def test_months_are_kept_and_regions_leave_as_the_settings_say(
    invoke: Callable[..., Invocation], tmp_path: Path
) -> None:
    run = invoke(IRONFORGE_STATS_RETENTION_MONTHS="6", IRONFORGE_REGIONS="eu,us", IRONFORGE_ARCHIVE_URI=made(tmp_path))
    kept = run.housekeeping()
    assert kept.months is not None
    assert kept.months.retention_months == 6
    assert kept.months.archive is kept.archive
    assert kept.archive is not None
    # What is held of a region that is not collected any more leaves, but for those who look after one alone.
    assert kept.leaving == tuple(region for region in Region if region not in {Region.EU, Region.US})
    assert run.housekeeping(regions=[Region.EU]).leaving == ()


@pytest.mark.parametrize(
    ("variables", "shared", "is_table", "terminals", "is_left_out"),
    [
        ({}, Shared(), True, (True, True), True),
        ({}, Shared(), False, (True, True), False),
        ({}, Shared(), True, (True, False), False),
        ({}, Shared(), True, (False, True), False),
        ({}, Shared(verbose=1), True, (True, True), False),
        ({"IRONFORGE_LOG_LEVEL": "info"}, Shared(), True, (True, True), False),
        ({"IRONFORGE_LOG_FORMAT": "json"}, Shared(), True, (True, True), False),
    ],
)
def test_at_a_terminal_a_table_alone_says_how_it_ended(
    invoke: Callable[..., Invocation],
    monkeypatch: pytest.MonkeyPatch,
    *,
    variables: dict[str, str],
    shared: Shared,
    is_table: bool,
    terminals: tuple[bool, bool],
    is_left_out: bool,
) -> None:
    out, err = (Terminal() if is_one else StringIO() for is_one in terminals)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    jobs = logging.getLogger("ironforge_cli.jobs")
    before = jobs.level
    with logs.written_to(err, shared, environment=variables), invoke(shared=shared, **variables) as run:
        run.tell_once(is_table=is_table)
        assert (jobs.level == logging.WARNING) is is_left_out
    assert jobs.level == before


def test_after_storing_days_are_looked_after_as_the_settings_say(
    invoke: Callable[..., Invocation], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = invoke(IRONFORGE_RAW_RETENTION_DAYS="12", IRONFORGE_PARTITIONS_AHEAD="3")
    looked: list[tuple[Any, ...]] = []

    def upkeep(regions: Any, **options: Any) -> None:
        looked.append((regions, options["storage"], options["housekeeping"], options["clock"]))

    monkeypatch.setattr(maintain, "upkeep", upkeep)
    run.upkeep()([Region.US], storage)
    assert looked == [([Region.US], storage, run.housekeeping(), run.clock)]


def folder_of(archive: object) -> Path:
    assert isinstance(archive, Archive)
    assert isinstance(archive.days.store, MadeStore)
    assert isinstance(archive.days.store.store, FolderStore)
    return archive.days.store.store.root


def test_the_archive_of_the_option_counts_more_than_that_of_the_settings(
    invoke: Callable[..., Invocation], tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        made(folder)
    run = invoke(IRONFORGE_ARCHIVE_URI=str(one))
    for archive in (run.archive(), run.required_archive(None), run.housekeeping().archive):
        assert folder_of(archive) == one
    for archive in (
        run.archive(str(other)),
        run.required_archive(str(other)),
        run.housekeeping(archive=str(other)).archive,
    ):
        assert folder_of(archive) == other
    # An option that was left empty by mistake must not write to a place that it doesn't name.
    with pytest.raises(ConfigurationError):
        run.archive("")


def test_an_archive_goes_by_the_clock_of_its_run(invoke: Callable[..., Invocation], tmp_path: Path) -> None:
    run = invoke()
    assert run.required_archive(made(tmp_path)).now == run.clock.now


def test_a_place_that_is_no_archive_is_refused_but_costs_no_hour(
    invoke: Callable[..., Invocation], tmp_path: Path
) -> None:
    place = tmp_path / "typo"
    run = invoke(IRONFORGE_ARCHIVE_URI=str(place))
    for use in (run.archive, lambda: run.required_archive(None), run.housekeeping):
        with pytest.raises(ArchiveError, match="There is no archive at"):
            use()
    # What collects asks only when a day is to leave.
    run.upkeep()
    assert not place.exists()


def test_where_nobody_names_an_archive_there_is_none(invoke: Callable[..., Invocation], tmp_path: Path) -> None:
    run = invoke()
    assert run.archive() is None
    assert run.housekeeping().archive is None
    with pytest.raises(ConfigurationError, match="give --archive"):
        run.required_archive(None)
    assert folder_of(run.archive(made(tmp_path))) == tmp_path


def test_regions_are_those_of_the_option_each_once_else_of_the_settings(invoke: Callable[..., Invocation]) -> None:
    run = invoke(IRONFORGE_REGIONS="us")
    assert run.command == "collect"
    assert run.regions(None) == run.regions([]) == (Region.US,)
    assert run.regions([Region.US, Region.EU, Region.US]) == (Region.US, Region.EU)


def test_what_is_odd_about_the_settings_is_said_once(
    invoke: Callable[..., Invocation], caplog: pytest.LogCaptureFixture
) -> None:
    run = invoke(IRONFORGE_LOCALES="de_DE")
    with caplog.at_level(logging.WARNING, logger="ironforge_cli"):
        for _ in range(2):
            assert run.settings.locale == "en_US"
    assert [record.getMessage() for record in caplog.records] == list(run.loaded.warnings)
    assert "IRONFORGE_LOCALES" in caplog.text


# Folders


def test_a_home_is_made_private(invoke: Callable[..., Invocation], tmp_path: Path) -> None:
    made = invoke(IRONFORGE_HOME=str(tmp_path / "new" / "home")).home
    assert made == tmp_path / "new" / "home"
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_home_that_is_there_stays_as_it_is(invoke: Callable[..., Invocation], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o750)
    assert invoke().home.stat().st_mode & 0o777 == 0o750


def test_a_home_that_can_not_be_made_is_told_with_the_setting(
    invoke: Callable[..., Invocation], tmp_path: Path
) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(ConfigurationError, match=r"can't be made .*Set IRONFORGE_HOME"):
        _ = invoke().home


def test_a_home_that_can_not_be_written_is_told_with_the_setting(
    invoke: Callable[..., Invocation], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write everywhere.
    asked: list[int] = []

    def refused(_: object, mode: int) -> bool:
        asked.append(mode)
        return False

    monkeypatch.setattr(os, "access", refused)
    with pytest.raises(ConfigurationError, match=r"can't be written .*Set IRONFORGE_HOME"):
        _ = invoke().home
    assert asked == [os.W_OK | os.X_OK]


def test_the_shelves_have_the_limit_of_each(invoke: Callable[..., Invocation], tmp_path: Path) -> None:
    run = invoke(IRONFORGE_SPOOL_LIMIT_MB="0", IRONFORGE_QUARANTINE_LIMIT_MB="1")
    body = os.urandom(1_100_000)
    what: dict[str, Any] = {
        "region": Region.EU,
        "snapshot_time": NOW,
        "headers": {},
        "received_at": NOW,
        "reason": "Cut off.",
    }
    shelves = run.shelves
    assert not (tmp_path / "home").exists()
    shelves.spool.keep(body, **what)
    with pytest.raises(ShelfFullError, match="IRONFORGE_QUARANTINE_LIMIT_MB"):
        shelves.quarantine.keep(body, **what)
    assert [shelf.folder for shelf in (shelves.spool, shelves.quarantine)] == [
        tmp_path / "home" / "spool",
        tmp_path / "home" / "quarantine",
    ]


# Blizzard


def test_requests_go_by_the_limits_the_clocks_and_the_folders_of_the_settings(
    invoke: Callable[..., Invocation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit, sessions = Given(), Given()
    monkeypatch.setattr(ratelimit, "RateLimit", limit)
    monkeypatch.setattr(transport, "Transport", sessions)
    cache = tmp_path / "home" / "http"
    cache.mkdir(parents=True)
    for former in ("requests.sqlite", "requests.sqlite-journal", "responses.sqlite"):
        (cache / former).touch()
    variables = {
        "IRONFORGE_REQUESTS_PER_SECOND": "7",
        "IRONFORGE_REQUESTS_PER_HOUR": "70",
        "IRONFORGE_HTTP_TIMEOUT": "3,4",
        "IRONFORGE_OAUTH_URL": "https://oauth.example/token",
    }
    with invoke(**variables) as run:
        assert run.transport is sessions
        assert run.transport is run.transport
        assert limit.arguments == (cache / "requests.ring",)
        assert (limit.options["per_second"], limit.options["per_hour"]) == (7, 70)
        # A wait for the limit ends with a signal, and other processes know no clock but the machine's.
        assert limit.options["sleep"] == sessions.options["sleep"] == run.clock.sleep
        assert abs(limit.options["now"]() - sessions.options["now"]()) < 60
        assert sessions.options["timeout"] == (3, 4)
        assert sessions.options["cache_folder"] == cache
        assert sessions.options["oauth_url"] == "https://oauth.example/token"
        assert sessions.options["credentials"] == run.settings.credentials
        assert sessions.options["rate_limit"] is limit
        # What counted requests before there was a ring is gone; what is cached is not.
        assert [file.name for file in cache.iterdir()] == ["responses.sqlite"]
        assert sessions.closed == 0
    assert sessions.closed == 1


@pytest.mark.parametrize(
    ("command", "leaves", "longest"),
    [
        ("collect", 0, 120),
        ("poll", 0, 120),
        ("seed all", 200, float("inf")),
        ("seed items", 200, float("inf")),
    ],
)
def test_seeding_leaves_requests_to_collecting_which_waits_for_none_of_the_next_hour(
    invoke: Callable[..., Invocation],
    monkeypatch: pytest.MonkeyPatch,
    *,
    command: str,
    leaves: int,
    longest: float,
) -> None:
    limit, sessions = Given(), Given()
    monkeypatch.setattr(ratelimit, "RateLimit", limit)
    monkeypatch.setattr(transport, "Transport", sessions)
    with invoke(IRONFORGE_REQUESTS_PER_HOUR="400") as run:
        run.command = command
        assert run.transport is sessions
        assert sessions.options["check"] == run.clock.check
    assert (limit.options["leaves"], limit.options["longest_wait"]) == (leaves, longest)


def test_a_stand_in_s_clock_ages_what_is_cached_and_not_what_is_counted(
    invoke: Callable[..., Invocation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit, sessions = Given(), Given()
    monkeypatch.setattr(ratelimit, "RateLimit", limit)
    monkeypatch.setattr(transport, "Transport", sessions)

    def credentials() -> tuple[str, str]:
        return "id", "secret"

    with invoke() as run:
        run.transport_to(home=tmp_path, credentials=credentials, oauth_url="http://x", now=lambda: 5.0)
    assert sessions.options["now"]() == 5.0
    assert limit.options["now"]() > 1e9
    assert (sessions.options["credentials"], sessions.options["oauth_url"]) == (credentials, "http://x")
    assert sessions.options["cache_folder"] == tmp_path / "http"


def test_the_client_asks_at_the_address_and_in_the_language_of_the_settings(
    invoke: Callable[..., Invocation], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, sessions = Given(), Given()
    monkeypatch.setattr(client, "BlizzardClient", asking)
    monkeypatch.setattr(transport, "Transport", sessions)
    with invoke(IRONFORGE_API_URL="https://{region}.example", IRONFORGE_LOCALE="de_DE") as run:
        assert run.client is asking
    assert asking.arguments == (sessions,)
    assert asking.options == {"api_url": "https://{region}.example", "locale": "de_DE"}


# Progress


@contextmanager
def watched(stream: StringIO | None, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        yield


@pytest.mark.parametrize(
    ("stream", "quiet", "is_shown"),
    [(Terminal(), False, True), (Terminal(), True, False), (StringIO(), False, False), (None, False, False)],
)
def test_bars_are_shown_on_a_terminal_that_was_not_asked_to_be_quiet(
    invoke: Callable[..., Invocation],
    monkeypatch: pytest.MonkeyPatch,
    stream: StringIO | None,
    *,
    quiet: bool,
    is_shown: bool,
) -> None:
    with watched(stream, monkeypatch), invoke(shared=Shared(quiet=quiet)) as run:
        assert isinstance(run.progress(), Bars if is_shown else Silent)
    with watched(stream, monkeypatch), invoke(shared=Shared(quiet=quiet)) as run:
        assert isinstance(run.seed_progress(), SeedBars if is_shown else SeedLines)
