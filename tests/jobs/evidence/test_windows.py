"""The files of windows: one that was killed leaves its own, and what becomes of it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import health
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.jobs.evidence import windows
from ironforge_cli.jobs.evidence.pending import PendingRows
from ironforge_cli.jobs.evidence.runs import Evidence
from ironforge_cli.jobs.evidence.windows import OpenWindow, killed_windows, settle_killed, told_as_open
from ironforge_cli.regions import Region
from tests.clocks import TickingClock

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import BinaryIO

    from ironforge_cli.errors import IronforgeError

STARTS = datetime(2026, 1, 14, 12, 30, 5, tzinfo=UTC)
WINDOW = OpenWindow("poll", (Region.EU, Region.US), STARTS, STARTS + timedelta(minutes=30))
SEEN = STARTS + timedelta(minutes=7)


def torn(*_: object, **__: object) -> None:
    """A fault of the disk without a number."""
    raise OSError("the tape is torn")


def kill(folder: Path, window: OpenWindow = WINDOW) -> Path:
    """Leave what a window leaves that is killed: its file, which nobody holds any more."""
    with told_as_open(folder, window) as lives:
        lives(SEEN)
        (path,) = folder.glob(f"{window.command}-*.window")
        left = path.read_bytes()
    path.write_bytes(left)
    os.utime(path, (SEEN.timestamp(), SEEN.timestamp()))
    return path


def evidence(folder: Path, error: IronforgeError | None = None) -> tuple[Evidence, MissingDatabase]:
    database = MissingDatabase(error or DatabaseError("The server is away."))
    pending = PendingRows(folder / "log-rows.jsonl")
    return Evidence(database, pending=pending, command="poll", clock=TickingClock(SEEN)), database


def test_an_open_window_is_told_by_a_private_file_that_it_holds_and_takes_along(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    with told_as_open(folder, WINDOW) as lives:
        (path,) = folder.iterdir()
        assert msgspec.json.decode(path.read_bytes(), type=OpenWindow) == WINDOW
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_mtime == STARTS.timestamp()
        lives(SEEN)
        assert path.stat().st_mtime == SEEN.timestamp()
        with path.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert killed_windows(folder) == []
        writing, database = evidence(tmp_path)
        settle_killed(folder, command="poll", database=database, evidence=writing, now=SEEN)
        assert list(folder.iterdir()) == [path]
    assert list(folder.iterdir()) == []


def test_a_window_that_ends_by_an_error_takes_its_file_along(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), told_as_open(tmp_path, WINDOW):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_window_whose_file_can_t_be_made_goes_on_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "locks").write_text("no folder")
    with told_as_open(tmp_path / "locks", WINDOW) as lives:
        lives(SEEN)
    why = f"A window that is killed will leave no trace in {tmp_path / 'locks'} (File exists)."
    assert caplog.messages == [why]


def test_a_file_that_can_not_be_written_to_its_end_is_not_left_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "fsync", torn)
    with told_as_open(tmp_path, WINDOW) as lives:
        lives(SEEN)
        assert list(tmp_path.iterdir()) == []
    assert caplog.messages == [f"A window that is killed will leave no trace in {tmp_path} (the tape is torn)."]


def test_a_file_is_held_and_on_the_disk_before_it_is_called_that_of_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[OpenWindow, str]] = []

    def flushed(descriptor: int) -> None:
        (path,) = tmp_path.iterdir()
        found.append((msgspec.json.decode(path.read_bytes(), type=OpenWindow), path.suffix))
        assert path.stat().st_ino == os.fstat(descriptor).st_ino
        with path.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)

    monkeypatch.setattr(os, "fsync", flushed)
    with told_as_open(tmp_path, WINDOW):
        assert found == [(WINDOW, ".window-part")]
        assert [path.suffix for path in tmp_path.iterdir()] == [".window"]


def test_a_file_that_can_not_be_removed_is_told_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with told_as_open(tmp_path, WINDOW):
        (path,) = tmp_path.iterdir()
        monkeypatch.setattr(Path, "unlink", torn)
    assert caplog.messages == [f"{path} can't be removed (the tape is torn): remove it."]


def test_a_folder_that_can_not_be_read_is_told_by_what_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "locks"
    folder.write_text("no folder")
    with pytest.raises(ConfigurationError, match=r"locks can't be read as windows leave it \(Not a directory\)"):
        killed_windows(folder)
    monkeypatch.setattr(Path, "iterdir", torn)
    with pytest.raises(ConfigurationError, match=r"\(the tape is torn\)"):
        killed_windows(tmp_path)


def test_a_window_that_was_killed_is_found_with_all_that_it_said(tmp_path: Path) -> None:
    path = kill(tmp_path)
    (killed,) = killed_windows(tmp_path)
    assert (killed.window, killed.seen_at, killed.path) == (WINDOW, SEEN, path)
    assert killed.told.startswith("The window that began at 2026-01-14T12:30:05Z was killed while it waited, after ")
    # Looking takes nothing away.
    assert killed_windows(tmp_path) == [killed]


def test_windows_that_were_killed_are_told_oldest_first_whatever_their_files_are_called(tmp_path: Path) -> None:
    killed = [
        msgspec.structs.replace(WINDOW, command=command, started_at=STARTS + number * timedelta(hours=1))
        for number, command in enumerate(["c", "a", "b"])
    ]
    for window in reversed(killed):
        kill(tmp_path, window)
    assert [one.window for one in killed_windows(tmp_path)] == killed


def test_several_may_look_at_once_and_a_window_that_ends_meanwhile_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kill(tmp_path)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert len(killed_windows(tmp_path)) == 1
        # Who writes its rows is alone.
        writing, database = evidence(tmp_path)
        settle_killed(tmp_path, command="poll", database=database, evidence=writing, now=SEEN)
        assert path.exists()

    def listed(folder: Path, suffix: str) -> list[Path]:
        return [folder / f"gone{suffix}"] if suffix == ".window" else []

    monkeypatch.setattr(windows, "_files", listed)
    assert killed_windows(tmp_path) == []


def test_a_window_that_ends_while_its_file_is_looked_at_was_not_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = kill(tmp_path), fcntl.flock

    def locked_when_it_has_ended(stream: BinaryIO, how: int) -> None:
        path.unlink()
        lock(stream, how)

    monkeypatch.setattr(fcntl, "flock", locked_when_it_has_ended)
    assert killed_windows(tmp_path) == []


def test_a_folder_that_is_not_there_holds_no_windows_and_is_not_made(tmp_path: Path) -> None:
    assert killed_windows(tmp_path / "locks") == []
    assert not (tmp_path / "locks").exists()


@pytest.mark.parametrize("error", [DatabaseError("It is away."), ConfigurationError("Its schema is another's.")])
def test_the_next_window_leaves_a_row_of_each_region_and_removes_the_file(
    tmp_path: Path, error: IronforgeError
) -> None:
    folder = tmp_path / "locks"
    kill(folder)
    other = kill(folder, msgspec.structs.replace(WINDOW, command="another"))
    writing, database = evidence(tmp_path, error)
    for _ in range(2):
        settle_killed(folder, command="poll", database=database, evidence=writing, now=SEEN + timedelta(hours=1))
    rows = [msgspec.json.decode(line)["row"] for line in (tmp_path / "log-rows.jsonl").read_bytes().splitlines()]
    assert [(row["command"], row["region"], row["status"]) for row in rows] == [
        ("poll", "eu", "failed"),
        ("poll", "us", "failed"),
    ]
    assert {datetime.fromisoformat(row["timestamp"]) for row in rows} == {SEEN}
    assert {row["error_message"][:45] for row in rows} == {"The window that began at 2026-01-14T12:30:05Z"}
    assert list(folder.iterdir()) == [other]


def test_a_region_whose_attempt_was_at_work_has_a_row_of_it_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class There(MissingDatabase):
        @contextmanager
        def connect(self, *, autocommit: bool = False) -> Generator[Any]:
            yield autocommit

    def crashed(_: object, *, since: datetime) -> list[health.LoggedAttempt]:
        assert since == STARTS
        return [
            health.LoggedAttempt(7, "collect", "us", SEEN, "running", None),
            health.LoggedAttempt(8, "poll", "eu", SEEN, "running", None),
        ]

    monkeypatch.setattr(health, "crashed", crashed)
    folder = tmp_path / "locks"
    kill(folder)
    writing, _ = evidence(tmp_path)
    there = There(DatabaseError("It is there."))
    settle_killed(folder, command="poll", database=there, evidence=writing, now=SEEN)
    rows = [msgspec.json.decode(line)["row"] for line in (tmp_path / "log-rows.jsonl").read_bytes().splitlines()]
    assert [(row["region"], row["poll_attempts"]) for row in rows] == [("us", 1)]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"command": 7}', b"\xff"])
def test_a_file_that_no_window_left_is_named_and_hinders_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    folder = tmp_path / "locks"
    path = kill(folder)
    odd = folder / "a.window"
    odd.write_bytes(content)
    (folder / "b.window").symlink_to(path)
    with pytest.raises(ConfigurationError, match=r"a\.window can't be read as windows leave it"):
        killed_windows(folder)
    writing, database = evidence(tmp_path)
    settle_killed(folder, command="poll", database=database, evidence=writing, now=SEEN)
    assert not path.exists()
    assert odd.read_bytes() == content
    assert "a.window can't be read" in caplog.text
    assert "b.window can't be read" in caplog.text


def test_a_pipe_among_them_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.window")
    with pytest.raises(ConfigurationError, match="can't be read as windows leave it"):
        killed_windows(tmp_path)


def test_what_a_window_left_that_was_killed_while_it_made_its_file_goes_after_an_hour(tmp_path: Path) -> None:
    old, young = tmp_path / "a.window-part", tmp_path / "b.window-part"
    for part, age in ((old, 3_601), (young, 3_600)):
        part.write_bytes(b"{")
        os.utime(part, (SEEN.timestamp() - age, SEEN.timestamp() - age))
    writing, database = evidence(tmp_path)
    settle_killed(tmp_path, command="poll", database=database, evidence=writing, now=SEEN)
    assert list(tmp_path.iterdir()) == [young]
