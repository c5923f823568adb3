"""What a command asks of its job, by its options and the settings; the job itself does nothing here."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.errors import ConfigurationError
from ironforge_cli.jobs.catalogue.work import Trial
from ironforge_cli.jobs.collecting.poll import Window
from ironforge_cli.jobs.history.recomputed import Extent
from ironforge_cli.regions import Region
from tests.archives import made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Run

Asked = list[tuple[tuple[Any, ...], dict[str, Any]]]
HOUR = datetime(2026, 1, 14, 12, 3, 7, tzinfo=UTC)
AT = "2026-01-14T12:03:07Z"
BOTH = (Region.EU, Region.US)
CREDENTIALS = {"BLIZZARD_CLIENT_ID": "me", "BLIZZARD_CLIENT_SECRET": "hidden"}
pytestmark = pytest.mark.usefixtures("database_that_is_away")


@pytest.fixture
def database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRONFORGE_DATABASE_URL", "postgresql://127.0.0.1:1/x")


@pytest.fixture
def asked_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Asked]:
    """Note what a job is asked for, which then ends its command."""

    def noted(job: str) -> Asked:
        found: Asked = []

        def job_itself(*arguments: Any, **options: Any) -> None:
            found.append((arguments, options))
            raise ConfigurationError("this is as far as it goes")

        monkeypatch.setattr(f"ironforge_cli.jobs.{job}", job_itself)
        return found

    return noted


def asked(run: Run, found: Asked, *arguments: str, **variables: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The one call of a job that a command makes."""
    ended = run(*arguments, **variables)
    assert (ended.exit_code, len(found)) == (78, 1), ended.stderr
    assert "this is as far as it goes" in ended.stderr
    return found.pop()


@pytest.mark.parametrize("force", [False, True])
def test_collect(run: Run, asked_of: Callable[[str], Asked], *, force: bool) -> None:
    found = asked_of("collecting.collect.collect")
    arguments, options = asked(run, found, "collect", *(["--force"] if force else []), **CREDENTIALS)
    assert arguments == (BOTH,)
    assert options["force"] is force
    assert callable(options["upkeep"])
    arguments, _ = asked(run, found, "collect", "--region", "us", **CREDENTIALS)
    assert arguments == ((Region.US,),)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("piped", [False, True])
def test_collect_from_a_file(
    run: Run, asked_of: Callable[[str], Asked], tmp_path: Path, *, force: bool, piped: bool
) -> None:
    found = asked_of("collecting.collect.ingest")
    file = tmp_path / "body"
    file.write_bytes(b"\xff of the file")
    words = ["collect", "--from", "-" if piped else str(file), "--region", "us", "--snapshot-time", AT]
    ended = run(*words, *(["--force"] if force else []), stdin=b"\xff of the pipe")
    assert ended.exit_code == 78
    (((body,), options),) = found
    assert body == (b"\xff of the pipe" if piped else b"\xff of the file")
    assert {name: options[name] for name in ("region", "snapshot_time", "force")} == {
        "region": Region.US,
        "snapshot_time": HOUR,
        "force": force,
    }


@pytest.mark.parametrize(
    ("words", "window"),
    [
        ([], Window(length=timedelta(minutes=30), interval=timedelta(seconds=30), adaptive=False)),
        (
            ["--window", "24h", "--interval", "1s", "--adaptive"],
            Window(length=timedelta(days=1), interval=timedelta(seconds=1), adaptive=True),
        ),
    ],
)
def test_poll(run: Run, asked_of: Callable[[str], Asked], words: list[str], window: Window) -> None:
    arguments, options = asked(run, asked_of("collecting.poll.poll"), "poll", *words, **CREDENTIALS)
    assert arguments == (BOTH,)
    assert options["window"] == window
    assert options["storage"]().retention_days == 30


@pytest.mark.parametrize(
    ("words", "wrong"), [(["--interval", "0.9s"], "--interval"), (["--window", "1441m"], "--window")]
)
def test_poll_refuses_what_is_just_beyond(
    run: Run, asked_of: Callable[[str], Asked], words: list[str], wrong: str
) -> None:
    found = asked_of("collecting.poll.poll")
    ended = run("poll", *words, **CREDENTIALS)
    assert (ended.exit_code, found) == (2, [])
    assert wrong in ended.stderr


@pytest.mark.parametrize("command", ["collect", "poll"])
def test_credentials_that_are_missing_are_told_before_anything_is_asked_for(
    run: Run, asked_of: Callable[[str], Asked], command: str
) -> None:
    found = asked_of(f"collecting.{command}.{command}")
    ended = run(command)
    assert (ended.exit_code, found) == (78, [])
    assert "BLIZZARD_CLIENT_ID" in ended.stderr


def test_spool_list(run: Run, asked_of: Callable[[str], Asked]) -> None:
    found = asked_of("collecting.spool.listed")
    arguments, options = asked(run, found, "spool", "list")
    assert (arguments[1:], options) == ((BOTH,), {"quarantine": False})
    arguments, options = asked(run, found, "spool", "list", "--quarantine", "--region", "eu")
    assert (arguments[1:], options) == (((Region.EU,),), {"quarantine": True})


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Note which bodies are asked for; one is there."""
    found: Asked = []

    def choose(*arguments: Any, **options: Any) -> list[str]:
        found.append((arguments[1:], options))
        return ["a body"]

    monkeypatch.setattr("ironforge_cli.jobs.collecting.spool.chosen", choose)
    return found


def test_spool_replay(run: Run, asked_of: Callable[[str], Asked], chosen: Asked) -> None:
    found = asked_of("collecting.replay.replay")
    arguments, options = asked(run, found, "spool", "replay")
    assert chosen.pop() == ((BOTH, ()), {"quarantine": False})
    assert arguments == (["a body"],)
    assert [options[name] for name in ("quarantine", "snapshot_time", "force")] == [False, None, False]
    words = ("spool", "replay", "abc", "def", "--quarantine", "--snapshot-time", AT, "--force", "--region", "us")
    _, options = asked(run, found, *words)
    assert chosen.pop() == (((Region.US,), ["abc", "def"]), {"quarantine": True})
    assert [options[name] for name in ("quarantine", "snapshot_time", "force")] == [True, HOUR, True]


@pytest.mark.parametrize(
    ("words", "names", "quarantine"),
    [(["--all"], (), False), (["--all", "--quarantine"], (), True), (["abc", "--quarantine"], ["abc"], True)],
)
def test_spool_drop(  # noqa: PLR0917 - a table of cases
    run: Run,
    asked_of: Callable[[str], Asked],
    chosen: Asked,
    words: list[str],
    names: Any,
    quarantine: bool,  # noqa: FBT001 - the same
) -> None:
    arguments, options = asked(run, asked_of("collecting.spool.drop"), "spool", "drop", *words)
    assert chosen == [((BOTH, names), {"quarantine": quarantine})]
    assert (arguments, options["quarantine"]) == ((["a body"],), quarantine)


def test_spool_drop_in_a_dry_run_drops_nothing(
    run: Run, asked_of: Callable[[str], Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = asked_of("collecting.spool.drop")
    monkeypatch.setattr("ironforge_cli.jobs.collecting.spool.chosen", lambda *_, **__: [])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - takes anything
    assert run("spool", "drop", "--all", "--dry-run").exit_code == 0
    assert found == []


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 2), (4, 4), (8, 4), (None, 1)])
def test_stats_recompute_uses_up_to_four_cores(
    run: Run, asked_of: Callable[[str], Asked], monkeypatch: pytest.MonkeyPatch, cores: int | None, workers: int
) -> None:
    found = asked_of("history.recompute.recompute")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    arguments, options = asked(run, found, "stats", "recompute")
    assert arguments == (BOTH,)
    assert options["extent"] == Extent(since=None, until=None, outdated=False)
    assert (options["workers"], options["dry_run"], options["archive"]) == (workers, False, None)
    assert asked(run, found, "stats", "recompute", "--workers", "7")[1]["workers"] == 7


def test_stats_recompute_takes_its_extent_from_the_options(run: Run, asked_of: Callable[[str], Asked]) -> None:
    found = asked_of("history.recompute.recompute")
    words = ("stats", "recompute", "--region", "eu", "--since", AT, "--until", AT, "--outdated", "--dry-run")
    arguments, options = asked(run, found, *words)
    assert arguments == ((Region.EU,),)
    assert options["extent"] == Extent(since=HOUR, until=HOUR, outdated=True)
    assert options["dry_run"] is True
    assert asked(run, found, "stats", "recompute", "--until", AT)[1]["extent"] == Extent(until=HOUR)
    ended = run("stats", "recompute", "--since", "2026-01-14T12:03:08Z", "--until", AT)
    assert (ended.exit_code, found) == (2, [])


SEEDERS = {
    "recipes": ["recipes"],
    "reagents": ["reagents"],
    "items": ["items"],
    "outputs": ["outputs"],
    "all": ["recipes", "reagents", "items", "outputs"],
}


@pytest.mark.parametrize("seeder", SEEDERS)
def test_seed(run: Run, asked_of: Callable[[str], Asked], seeder: str) -> None:
    found = asked_of("catalogue.seed.seed")
    arguments, options = asked(run, found, "seed", seeder, IRONFORGE_REGIONS="us,eu", **CREDENTIALS)
    assert list(arguments[0]) == SEEDERS[seeder]
    assert options["region"] is Region.US
    assert options["trial"] == Trial(force=False, limit=None, profession=None)
    words = ("seed", seeder, "--force", "--limit", "1", "--profession", "Alchemy")
    _, options = asked(run, found, *words, **CREDENTIALS)
    assert options["trial"] == Trial(force=True, limit=1, profession="Alchemy")


@pytest.mark.parametrize("seeder", SEEDERS)
def test_only_what_asks_for_nothing_is_seeded_without_credentials(
    run: Run, asked_of: Callable[[str], Asked], seeder: str
) -> None:
    found = asked_of("catalogue.seed.seed")
    ended = run("seed", seeder)
    assert ended.exit_code == 78
    assert len(found) == int(seeder in {"reagents", "outputs"})
    assert ("BLIZZARD_CLIENT_ID" in ended.stderr) is (seeder not in {"reagents", "outputs"})


def test_partitions_maintain(run: Run, asked_of: Callable[[str], Asked], tmp_path: Path) -> None:
    found = asked_of("days.maintain.maintain")
    arguments, options = asked(run, found, "partitions", "maintain")
    assert arguments == (BOTH,)
    kept = options["housekeeping"]
    assert (kept.ahead, kept.retention_days, kept.archive, options["dry_run"]) == (7, 30, None, False)
    assert options["adopt"] is False
    words = ("--ahead", "0", "--retain", "0", "--archive", made(tmp_path), "--dry-run", "--adopt", "--region", "us")
    arguments, options = asked(run, found, "partitions", "maintain", *words)
    assert arguments == ((Region.US,),)
    kept = options["housekeeping"]
    assert (kept.ahead, kept.retention_days, options["dry_run"], options["adopt"]) == (0, 0, True, True)
    assert str(tmp_path) in str(kept.archive.days.store)


@pytest.mark.parametrize("command", ["drop", "restore"])
def test_partitions_drop_and_restore(run: Run, asked_of: Callable[[str], Asked], tmp_path: Path, command: str) -> None:
    found = asked_of(f"days.one_day.{command}")
    words = ("partitions", command, "--date", "2024-02-29")
    named, others = made(tmp_path / "named"), made(tmp_path / "others")
    arguments, options = asked(run, found, *words, "--archive", named, IRONFORGE_ARCHIVE_URI=others)
    assert arguments == (BOTH, date(2024, 2, 29))
    assert options["dry_run"] is False
    assert named in str(options["archive"].days.store)
    assert options.get("force") is (False if command == "drop" else None)
    _, options = asked(run, found, *words, "--region", "eu", "--dry-run", IRONFORGE_ARCHIVE_URI=others)
    assert options["dry_run"] is True
    assert others in str(options["archive"].days.store)
    ended = run(*words)
    if command == "restore":
        assert (ended.exit_code, found) == (78, [])
        assert "No archive is named" in ended.stderr
    else:
        assert found[0][1]["archive"] is None
        found.clear()
        assert asked(run, found, *words, "--force")[1]["force"] is True
