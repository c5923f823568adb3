"""Dumps and restorations, with programs that only pretend: what they are told, and what is left when one fails."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db import dumps
from ironforge_cli.db.dumps import ClientPrograms
from ironforge_cli.errors import ConfigurationError, DatabaseError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database

URL = "postgresql://me:secret@db.example:6432/prices?sslmode=require"
DUMPS = """
echo 'pg_dump: dumping contents of table "public.items"' >&2
echo 'pg_dump: reading types' >&2
for one in "$@"; do case "$one" in --file=*) printf dumped > "${one#--file=}";; esac; done
"""
LISTS = """case "$1" in --list) cat "$HERE/contents"; exit;; esac"""
READS = f"""{LISTS}
for one in "$@"; do case "$one" in --use-list=*) cp "${{one#--use-list=}}" "$HERE/chosen";; esac; done
echo 'pg_restore: processing data for table "public.items"' >&2
cat "$HERE/dump"
"""
WRITES = """cat > "$HERE/poured"; touch "$HERE/committed"
"""
CONTENTS = """;
; Archive created by pg_dump
5; 2615 2200 SCHEMA - public me
3500; 0 0 COMMENT - SCHEMA public me
3501; 0 0 ACL - SCHEMA public me
220; 1259 16400 TABLE public items me
221; 1259 16401 TABLE public SCHEMA me"""


@pytest.fixture
def programs(tmp_path: Path) -> ClientPrograms:
    folder = tmp_path / "programs"
    folder.mkdir()
    made = ClientPrograms(folder, URL, {"PATH": os.defpath, "HERE": str(tmp_path), "PGPASSWORD": "x", "PGOPTIONS": "y"})
    for name, does in (("pg_dump", DUMPS), ("pg_restore", READS), ("psql", WRITES)):
        pretend(made, name, does)
    (tmp_path / "contents").write_text(CONTENTS)
    return made


def pretend(programs: ClientPrograms, name: str, does: str) -> None:
    """A program that notes how it was called, and does something."""
    assert programs.bindir is not None
    file = programs.bindir / name
    noted = f'echo "{name} $*" >> "$HERE/called"; env > "$HERE/environment"'
    file.write_text(f"#!/bin/sh\n{noted}\n{does}\n")
    file.chmod(0o755)


def called(folder: Path) -> list[str]:
    file = folder / "called"
    return file.read_text().splitlines() if file.exists() else []


def nothing() -> None:
    """Nobody asks for the end."""


def dump(programs: ClientPrograms, to: Path, **options: Any) -> tuple[int, list[str]]:
    told: list[str] = []
    given: dict[str, Any] = {"without": None, "tell": told.append, "check": nothing, **options}
    return dumps.dump(programs, to, **given), told


# Where programs are, and what they are told


def test_programs_are_those_of_the_embedded_server_else_those_of_the_path(tmp_path: Path) -> None:
    for folder, name in (("beside", "psql"), ("path", "psql"), ("path", "pg_dump")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).touch(mode=0o755)
    programs = ClientPrograms(tmp_path / "beside", URL, {"PATH": str(tmp_path / "path")})
    assert programs.path("psql") == str(tmp_path / "beside" / "psql")
    assert programs.path("pg_dump") == str(tmp_path / "path" / "pg_dump")
    assert ClientPrograms(None, URL, {"PATH": str(tmp_path / "path")}).path("psql") == str(tmp_path / "path" / "psql")
    with pytest.raises(ConfigurationError, match=r"pg_restore was not found.*IRONFORGE_PG_BINDIR"):
        programs.path("pg_restore")


def test_a_program_is_led_to_the_database_by_its_environment_alone() -> None:
    environment = {"PGPASSWORD": "another", "PGOPTIONS": "-c x=y", "HOME": "/home/me", "LC_ALL": "de_DE.UTF-8"}
    programs = ClientPrograms(None, URL, environment)
    assert programs.variables() == {
        "HOME": "/home/me",
        "LC_ALL": "C",
        "PGHOST": "db.example",
        "PGPORT": "6432",
        "PGDATABASE": "prices",
        "PGUSER": "me",
        "PGPASSWORD": "secret",
    }
    assert programs.rest() == "sslmode=require"


# Dumping


@pytest.mark.parametrize("without", [None, "auction_snapshots_*"])
def test_a_dump_is_its_owners_alone_and_says_which_table_is_written(
    programs: ClientPrograms, tmp_path: Path, without: str | None
) -> None:
    to = tmp_path / "a.dump"
    assert dump(programs, to, without=without) == (6, ["items"])
    assert to.read_bytes() == b"dumped"
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".*"))
    first, second = called(tmp_path)
    assert first.startswith("pg_dump --format=custom --no-owner --no-privileges --no-password --verbose ")
    assert [one for one in first.split() if one.startswith("--exclude")] == (
        [] if without is None else ["--exclude-table-data=auction_snapshots_*"]
    )
    assert first.endswith("--dbname=sslmode=require")
    # What was written is read before it counts as a dump.
    assert second.startswith("pg_restore --list ")
    assert "secret" not in first + second
    environment = (tmp_path / "environment").read_text().splitlines()
    assert {"PGPASSWORD=secret", "PGHOST=db.example"} <= set(environment)
    assert not any(line.startswith("PGOPTIONS") for line in environment)


def test_a_dump_takes_the_place_of_nothing_that_is_there(programs: ClientPrograms, tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_text("before")
    (tmp_path / "leads.dump").symlink_to(tmp_path / "nowhere")
    for name in ("a.dump", "leads.dump"):
        with pytest.raises(UsageError, match="is there already"):
            dump(programs, tmp_path / name)
    assert (tmp_path / "a.dump").read_text() == "before"
    with pytest.raises(UsageError, match=r"can't be written \(No such file or directory\)"):
        dump(programs, tmp_path / "none" / "a.dump")
    assert called(tmp_path) == []


def test_a_file_that_somebody_made_meanwhile_stays(programs: ClientPrograms, tmp_path: Path) -> None:
    pretend(programs, "pg_dump", f'{DUMPS}\nprintf theirs > "$HERE/a.dump"')
    with pytest.raises(UsageError, match="was made by somebody else meanwhile"):
        dump(programs, tmp_path / "a.dump")
    assert (tmp_path / "a.dump").read_text() == "theirs"
    assert not list(tmp_path.glob(".*"))


def test_on_a_disk_without_second_names_a_dump_is_renamed(
    programs: ClientPrograms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert dump(programs, tmp_path / "a.dump")[0] == 6
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("name", "does", "kind", "told"),
    [
        (
            "pg_dump",
            f"{DUMPS}\necho 'pg_dump: error: it broke' >&2; echo 'pg_dump: detail: why' >&2; exit 1",
            DatabaseError,
            "pg_dump failed, and nothing was changed: pg_dump: error: it broke pg_dump: detail: why",
        ),
        ("pg_dump", "exit 3", DatabaseError, "exit code 3"),
        (
            "pg_restore",
            "echo 'pg_restore: error: not an archive' >&2; exit 1",
            UsageError,
            r"part is no dump that can be read: not an archive\.",
        ),
    ],
)
def test_a_dump_that_fails_leaves_no_file(
    programs: ClientPrograms, tmp_path: Path, *, name: str, does: str, kind: type[Exception], told: str
) -> None:
    pretend(programs, name, does)
    with pytest.raises(kind, match=told):
        dump(programs, tmp_path / "a.dump")
    assert not list(tmp_path.glob("*.dump*"))
    assert not list(tmp_path.glob(".*"))


def ending(after: int) -> Any:
    """Asks for the end at the so-manieth look."""
    looks = [0]

    def check() -> None:
        looks[0] += 1
        if looks[0] > after:
            raise KeyboardInterrupt

    return check


def test_whoever_asks_for_the_end_of_a_dump_gets_it(
    programs: ClientPrograms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dumps, "_LOOK_EVERY", 0.01)
    pretend(programs, "pg_dump", 'echo $$ > "$HERE/process"; exec sleep 600')
    process = tmp_path / "process"
    process.touch()

    def check() -> None:
        if process.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dump(programs, tmp_path / "a.dump", check=check)
    assert not list(tmp_path.glob(".*"))
    # Nothing goes on behind whoever asked.
    with pytest.raises(ProcessLookupError):
        os.kill(int(process.read_text()), 0)


class EndedProgram:
    """A program that takes no more."""

    stdin, stdout, stderr = None, None, None

    def __init__(self, error: Exception) -> None:
        self.stdin = self
        self.error = error

    def write(self, _: bytes) -> None:
        raise self.error


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("write to closed file")])
def test_what_has_ended_is_handed_no_more(error: Exception) -> None:
    process: Any = EndedProgram(error)
    program = dumps._Program(process, "psql", lambda _: None)  # pyright: ignore[reportPrivateUsage] - what it saves is time alone
    assert not program.feed(b"more")


# Restoring


class Known:
    """A database that is only named."""

    description = "prices at db.example"


def restore(programs: ClientPrograms, source: Path, **options: Any) -> list[str]:
    told: list[str] = []
    given: dict[str, Any] = {"database": Known(), "replaces": False, "tell": told.append, "check": nothing, **options}
    dumps.restore(programs, source, **given)
    return told


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dump of one table, and a database in which there is nothing."""
    monkeypatch.setattr(dumps, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr(dumps, "_there", lambda _: [])  # pyright: ignore[reportUnknownArgumentType,reportUnknownLambdaType] - any database
    (tmp_path / "dump").write_text(
        "SET statement_timeout = 0;\nSET transaction_timeout = 0;\nCREATE TABLE items ();\n"
        "COPY items FROM stdin;\nSET transaction_timeout = 0;\n\\.\n"
    )
    return tmp_path / "dump"


def test_a_dump_is_poured_in_without_what_older_servers_do_not_know(
    programs: ClientPrograms, source: Path, tmp_path: Path
) -> None:
    assert restore(programs, source) == ["items"]
    # Among the data the same words are data.
    assert (tmp_path / "poured").read_text() == source.read_text().replace("SET transaction_timeout = 0;\n", "", 1)
    assert (tmp_path / "committed").exists()
    chosen = (tmp_path / "chosen").read_text().splitlines()
    assert chosen == [line for line in CONTENTS.splitlines() if "public me" not in line or " TABLE " in line]
    _, reading, writing = sorted(called(tmp_path), key=lambda line: ("--list" not in line, line))
    assert "--no-owner --no-privileges" in reading
    assert "--set=ON_ERROR_STOP=1 --single-transaction" in writing
    assert writing.endswith("--dbname=sslmode=require")


def test_what_is_there_is_dropped_first_where_it_is_to_be_replaced(
    programs: ClientPrograms, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ["TABLE items", "TYPE label"]
    monkeypatch.setattr(dumps, "_there", lambda _: there)  # pyright: ignore[reportUnknownArgumentType,reportUnknownLambdaType] - any database
    with pytest.raises(UsageError, match=r"The database prices at db\.example is not empty\. Give --replace"):
        restore(programs, source)
    assert not (tmp_path / "poured").exists()
    restore(programs, source, replaces=True)
    assert (tmp_path / "poured").read_text().startswith("DROP TABLE items CASCADE;\nDROP TYPE label CASCADE;\nSET stat")


def test_a_file_that_can_not_be_read_or_is_no_dump_is_told(programs: ClientPrograms, source: Path) -> None:
    with pytest.raises(UsageError, match=r"none can't be read \(No such file or directory\)"):
        restore(programs, source.with_name("none"))
    pretend(programs, "pg_restore", "echo 'pg_restore: error: not an archive' >&2; exit 1")
    with pytest.raises(UsageError, match=r"dump is no dump that can be read: not an archive\. `ironforge db dump`"):
        restore(programs, source)


def test_a_dump_that_ends_too_soon_is_never_committed(programs: ClientPrograms, source: Path, tmp_path: Path) -> None:
    pretend(programs, "pg_restore", f"{READS}\necho 'pg_restore: error: it is cut off' >&2; exit 1")
    with pytest.raises(DatabaseError, match=r"pg_restore failed.*it is cut off"):
        restore(programs, source)
    assert not (tmp_path / "committed").exists()


def test_what_the_server_refuses_is_told_though_more_was_to_come(
    programs: ClientPrograms, source: Path, tmp_path: Path
) -> None:
    pretend(programs, "psql", "head -c 10 > /dev/null; echo 'psql: ERROR:  no room' >&2; exit 3")
    pretend(programs, "pg_restore", f"{LISTS}\nyes CREATE | head -c 3000000")
    with pytest.raises(DatabaseError, match=r"psql failed.*no room"):
        restore(programs, source)
    assert not (tmp_path / "committed").exists()


def test_whoever_asks_for_the_end_of_a_restoration_gets_it_and_nothing_is_committed(
    programs: ClientPrograms, source: Path, tmp_path: Path
) -> None:
    pretend(programs, "pg_restore", f"{LISTS}\nexec sleep 600")
    with pytest.raises(KeyboardInterrupt):
        restore(programs, source, check=ending(2))
    assert not (tmp_path / "committed").exists()


def test_what_a_dump_would_meet_are_tables_and_types_and_no_partitions(shared: Database) -> None:
    found = dumps._there(shared)  # pyright: ignore[reportPrivateUsage] - dropped by restoring alone
    assert {"TABLE items", "TABLE auction_snapshots_eu", "TABLE alembic_version"} <= set(found)
    assert [name for name in found if name.startswith("TYPE")] == ["TYPE time_left"]
    assert not any("_before" in name for name in found)
    # What is the server's own stays.
    assert not any(name.split()[1].startswith(("pg_", "information_schema")) for name in found)
