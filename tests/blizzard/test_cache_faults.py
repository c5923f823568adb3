"""A cache that fails, in whatever way: told once, and Blizzard is asked as if there were none."""

from __future__ import annotations

import logging
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from ironforge_cli.blizzard import cache_entries, cache_file
from ironforge_cli.blizzard.cache import AnswerCache
from ironforge_cli.regions import Region
from tests.blizzard import asking
from tests.blizzard.asking import kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.blizzard.transport import Answer, Transport
    from ironforge_cli.sandbox.stand_in import Sandbox

FILES = ["dynamic.sqlite", "static.sqlite"]


def ask_both(transport: Transport, sandbox: Sandbox) -> list[Answer]:
    """Ask for what either cache keeps, and say that it makes sense."""
    return [
        kept(transport.get_dynamic(*asking.commodities(sandbox))),
        kept(transport.get_static(*asking.professions(sandbox))),
    ]


def assert_told_once(caplog: pytest.LogCaptureFixture, words: str, *, times: int = 2) -> None:
    told = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("ironforge_cli") and record.levelno >= logging.WARNING
    ]
    assert len(told) == times
    assert all("Blizzard is asked without it" in message and words in message for message in told)


def no_database(file: Path) -> None:
    file.write_bytes(b"not a database at all" * 500)


def no_entries(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE other (x)")


@pytest.mark.parametrize("spoil", [no_database, no_entries])
def test_a_file_that_can_be_begun_anew_is(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    (tmp_path / "http").mkdir()
    for name in FILES:
        spoil(tmp_path / "http" / name)
    transport = make_transport(sandbox)
    ask_both(transport, sandbox)
    assert [answer.from_cache for answer in ask_both(transport, sandbox)] == [True, True]


def a_folder(file: Path) -> None:
    file.mkdir()


def of_a_future_version(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE responses (key TEXT, body BLOB, good_until TEXT)")


def on_a_full_disk(file: Path) -> None:
    file.symlink_to("/dev/full")


@pytest.mark.parametrize("spoil", [a_folder, of_a_future_version, on_a_full_disk])
def test_a_file_that_can_not_be_used_costs_a_warning_and_never_an_answer(
    sandbox: Sandbox,
    make_transport: Callable[..., Transport],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], None],
) -> None:
    (tmp_path / "http").mkdir()
    for name in FILES:
        spoil(tmp_path / "http" / name)
    transport = make_transport(sandbox)
    for _ in range(2):
        answers = ask_both(transport, sandbox)
        assert [answer.from_cache for answer in answers] == [False, False]
        assert answers[0].body == sandbox.published(Region.EU).body
    assert_told_once(caplog, "writable for this user, or delete the file")


def test_a_folder_that_can_not_be_made_costs_a_warning_and_never_an_answer(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").touch()
    transport = make_transport(sandbox, cache_folder=tmp_path / "taken" / "http")
    assert ask_both(transport, sandbox)[0].body == sandbox.published(Region.EU).body
    assert_told_once(caplog, "NotADirectoryError")


def test_a_lock_that_another_process_holds_is_waited_for_once_and_briefly(
    sandbox: Sandbox,
    make_transport: Callable[..., Transport],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = make_transport(sandbox)
    ask_both(before, sandbox)
    before.close()
    assert cache_file.LONGEST_WAIT_SECONDS <= 1
    monkeypatch.setattr(cache_file, "LONGEST_WAIT_SECONDS", 0.01)
    waits: list[str] = []
    connect = sqlite3.connect

    def noted(path: Path, **options: Any) -> sqlite3.Connection:
        assert options["timeout"] == 0.01
        waits.append(path.name)
        return connect(path, **options)

    with closing(sqlite3.connect(tmp_path / "http" / "dynamic.sqlite", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(sqlite3, "connect", noted)
        transport = make_transport(sandbox)
        for _ in range(3):
            transport.forget_dynamic(*asking.commodities(sandbox))
            assert not kept(transport.get_dynamic(*asking.commodities(sandbox))).from_cache
    assert waits == ["dynamic.sqlite"]
    assert_told_once(caplog, "OperationalError: database is locked", times=1)


@pytest.mark.parametrize(
    "error",
    [NameError("RequestsCookieJar"), sqlite3.OperationalError("database or disk is full"), MemoryError(), KeyError(7)],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("step", ["keep", "find", "key"])
def test_whatever_the_cache_s_libraries_raise_costs_a_warning_and_never_an_answer(
    sandbox: Sandbox,
    make_transport: Callable[..., Transport],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    step: str,
    error: Exception,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    ask_both(make_transport(sandbox), sandbox)
    monkeypatch.setattr(cache_entries.Entries, step, fails)
    transport = make_transport(sandbox)
    if step == "keep":
        transport.forget_dynamic(*asking.commodities(sandbox))
        transport.forget_static(*asking.professions(sandbox))
    for _ in range(2):
        answers = ask_both(transport, sandbox)
        assert [answer.from_cache for answer in answers] == [False, False]
        assert answers[0].body == sandbox.published(Region.EU).body
    assert_told_once(caplog, type(error).__name__)


def test_a_library_that_can_not_even_be_imported_costs_a_warning_and_never_an_answer(
    sandbox: Sandbox,
    make_transport: Callable[..., Transport],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # What Python raises ImportError for.
    monkeypatch.setitem(sys.modules, "ironforge_cli.blizzard.cache_entries", None)
    assert ask_both(make_transport(sandbox), sandbox)[0].body == sandbox.published(Region.EU).body
    assert_told_once(caplog, "ModuleNotFoundError")


def test_a_cache_that_fails_in_the_middle_of_a_run_costs_a_question_and_never_the_run(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make_transport(sandbox)
    ask_both(transport, sandbox)
    for name in FILES:
        with closing(sqlite3.connect(tmp_path / "http" / name, isolation_level=None)) as connection:
            connection.execute("DROP TABLE responses")
    assert ask_both(transport, sandbox)[0].body == sandbox.published(Region.EU).body
    assert_told_once(caplog, "no such table")


def test_a_file_that_failed_is_tried_again_after_a_while(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_file, "REST_SECONDS", 0.0)
    (tmp_path / "http").mkdir()
    (tmp_path / "http" / "dynamic.sqlite").mkdir()
    transport = make_transport(sandbox)
    ask_both(transport, sandbox)
    (tmp_path / "http" / "dynamic.sqlite").rmdir()
    ask_both(transport, sandbox)
    assert [answer.from_cache for answer in ask_both(transport, sandbox)] == [True, True]


@pytest.mark.parametrize(
    "entry", [b"\x00", b"", b"\nabc", b"\n" + zstandard.ZstdCompressor().compress(b"\x93\x01\x02\x03")]
)
def test_an_entry_that_can_not_be_read_is_asked_for_again(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path, entry: bytes
) -> None:
    transport = make_transport(sandbox)
    first = ask_both(transport, sandbox)[0]
    with closing(sqlite3.connect(tmp_path / "http" / "dynamic.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE responses SET value = ?", (entry,))
    again = ask_both(transport, sandbox)[0]
    assert (again.from_cache, again.body) == (False, first.body)


def test_what_was_forgotten_is_not_given_again_though_the_file_can_not_be_written(
    sandbox: Sandbox, make_transport: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    transport = make_transport(sandbox)
    ask_both(transport, sandbox)
    monkeypatch.setattr(cache_file.CacheFile, "delete", full)
    transport.forget_dynamic(*asking.commodities(sandbox))
    transport.forget_static(*asking.professions(sandbox))
    assert [answer.from_cache for answer in ask_both(transport, sandbox)] == [False, False]


def test_while_a_file_rests_nothing_more_is_said_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "x.sqlite").mkdir()
    cache = AnswerCache(tmp_path / "x.sqlite", seconds=60, now=lambda: 0.0)
    for _ in range(2):
        assert cache.find("https://x", {}) is None
        cache.forget_all()
        cache.prune()
    (told,) = [one for one in caplog.records if one.name == AnswerCache.__module__]
    assert (told.levelname, "can't be used" in told.message) == ("WARNING", True)
    cache.close()
