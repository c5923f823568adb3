"""A home in which a former version left files of root's is its owner's again, and nothing else becomes the owner's."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.cli.frame.homes import mend
from tests.db.embedded_playground import IS_ROOT
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

as_root = pytest.mark.skipif(not IS_ROOT, reason="only root leaves files of root's")
THEIRS = 54_321
BROKEN = {
    "locks/store-eu.lock": b"",
    "spool/.lock": b"",
    "spool/log-rows.jsonl": b'{"table":"scraper_logs","row":{}}\n',
    "spool/eu/.lock": b"",
    "spool/eu/20260114T120000Z-0123456789abcdef.body": b'{"region":"eu","snapshot_time":null}\nx',
    "quarantine/us/0123456789abcdef.body": b'{"region":"us","snapshot_time":null}\nx',
    "http/requests.ring": b"ironring and more",
    "http/requests.ring.lock": b"",
    "errors.log": b"2026-01-14T12:00:00+00:00 ironforge collect\nTraceback",
}
EXPENDABLE = ("http/dynamic.sqlite", "http/dynamic.sqlite-wal", "http/static.sqlite-shm", "spool/eu/.tmp-12")


@pytest.fixture
def home() -> Generator[Path]:
    with open_folder() as folder:
        made = folder / "home"
        made.mkdir(mode=0o700)
        os.chown(made, THEIRS, THEIRS)
        yield made


def put(home: Path, path: str, content: bytes = b"") -> Path:
    """A file that root made, in folders that root made."""
    file = home / path
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


@as_root
def test_all_that_former_versions_made_as_root_is_the_owners_again(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path, content in BROKEN.items():
        put(home, path, content)
    for path in EXPENDABLE:
        put(home, path, b"SQLite format 3\0")
    mend(home)
    assert {path.lstat().st_uid for path in home.rglob("*")} == {THEIRS}
    assert {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()} == set(BROKEN)
    assert {(home / path).read_bytes() for path in BROKEN} == set(BROKEN.values())
    assert "root had made" in caplog.text
    caplog.clear()
    mend(home)
    assert caplog.text == ""


@as_root
def test_a_home_of_roots_in_an_accounts_folder_is_that_accounts(home: Path) -> None:
    put(home, "inner/spool/log-rows.jsonl")
    mend(home / "inner")
    assert {path.lstat().st_uid for path in home.rglob("*")} == {THEIRS}
    # One that holds something else is none of ironforge's.
    put(home, "other/letters.txt")
    mend(home / "other")
    assert {path.lstat().st_uid for path in (home / "other", home / "other" / "letters.txt")} == {0}


@as_root
@pytest.mark.parametrize(
    "path", ["spool/eu/0123456789abcdef.body", "errors.log", "locks/store-eu.lock", "http/requests.ring", "notes.txt"]
)
@pytest.mark.parametrize("how", ["moved", "linked", "hard-linked", "folder"])
def test_what_an_account_puts_there_under_a_name_of_ours_stays_roots_and_is_named(
    home: Path, caplog: pytest.LogCaptureFixture, path: str, how: str
) -> None:
    secret = home.parent / "secret"
    secret.write_text("root's alone", encoding="ascii")
    if how == "hard-linked":
        # So that its content alone would not give it away.
        secret.write_bytes(BROKEN.get(path, b"ironring" if path.endswith("ring") else b""))
    place = home / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if how == "moved":
        secret.rename(place)
    elif how == "linked":
        place.symlink_to(secret)
    elif how == "hard-linked":
        place.hardlink_to(secret)
    else:
        place.mkdir()
    mend(home)
    assert place.stat().st_uid == 0
    if how != "linked":
        assert f"chown -hR {THEIRS}:{THEIRS} {place}" in caplog.text


@as_root
def test_what_the_server_has_in_a_home_is_left_alone(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(home, "postgres/server.log")
    mend(home)
    assert (home / "postgres" / "server.log").stat().st_uid == 0
    assert caplog.text == ""


@as_root
def test_a_home_of_roots_stays_roots(home: Path) -> None:
    own = home.parent / "own"
    put(own, "spool/log-rows.jsonl")
    mend(own)
    mend(own / "missing")
    assert {path.stat().st_uid for path in (own, *own.rglob("*"))} == {0}


def test_an_account_is_told_which_files_keep_it_out_and_what_helps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    put(tmp_path, "spool/log-rows.jsonl")
    put(tmp_path, "notes.txt")
    mend(tmp_path)
    assert caplog.text == ""

    def refused(*_: object) -> bool:
        return False

    monkeypatch.setattr(os, "geteuid", lambda: 77)
    monkeypatch.setattr(os, "getegid", lambda: 78)
    monkeypatch.setattr(os, "access", refused)
    mend(tmp_path)
    assert f"chown -hR 77:78 {tmp_path}/spool {tmp_path}/spool/log-rows.jsonl" in caplog.text
    assert "notes.txt" not in caplog.text
