"""Whole dumps of a database and their restoration, by PostgreSQL's own programs.

A dump is a file as `pg_restore` knows it. Nothing in it says whom tables belong to or what the schema was called for,
so that it goes into any kind of server.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text

from ironforge_cli.db.engine import conninfo, executor
from ironforge_cli.errors import ConfigurationError, DatabaseError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from ironforge_cli.db.engine import Database

# What libpq reads from the environment, where no other account sees it as it sees a program's arguments.
_VARIABLES: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "sslpassword": "PGSSLPASSWORD",
}
# Every database has its schema already; a comment on it would need its owner.
_OF_THE_SCHEMA: Final = re.compile(r"^\d+; \d+ \d+ (SCHEMA|COMMENT|ACL) (- public|- SCHEMA public) ")
_PIECE: Final = re.compile(r"(?:dumping contents of|processing data for) table \"(?:public\.)?([^\"]+)\"")
_COMPLAINT: Final = re.compile(r"\b(error|FATAL|ERROR|fatal|detail|hint): ?", re.IGNORECASE)
# The one line in a newer server's dump that PostgreSQL 16 and older don't know.
_TOO_NEW: Final = b"SET transaction_timeout"
_LOOK_EVERY: Final = 0.2
_PIECE_BYTES: Final = 1 << 20
_LAST_LINES: Final = 12

_execute = executor("dumps")


@dataclass(frozen=True, slots=True)
class ClientPrograms:
    """PostgreSQL's client programs, led to one database."""

    bindir: Path | None
    """The folder of the embedded server's programs, where there is one; else they are looked for on PATH."""
    url: str
    environment: Mapping[str, str]

    def path(self, name: str) -> str:
        """Where a program is; raises `ConfigurationError` where it is nowhere."""
        if self.bindir is not None and (self.bindir / name).exists():
            return str(self.bindir / name)
        found = shutil.which(name, path=self.environment.get("PATH", os.defpath))
        if found is None:
            raise ConfigurationError(
                f"{name} was not found, neither beside the embedded server's programs nor on PATH. Install "
                "PostgreSQL's client programs, or set IRONFORGE_PG_BINDIR to the folder that holds them."
            )
        return found

    def variables(self) -> dict[str, str]:
        """The environment of a program: it leads to the database, and holds what nobody else may see.

        Other accounts can read a program's arguments, but not its environment.
        """
        parts = conninfo_to_dict(conninfo(self.url))
        given = {name: value for name, value in self.environment.items() if not name.startswith("PG")}
        led = {variable: str(parts[name]) for name, variable in _VARIABLES.items() if parts.get(name)}
        # Progress is read from messages, in English.
        return {**given, **led, "LC_ALL": "C"}

    def rest(self) -> str:
        """What is known of the connection beyond the variables, as a connection string.

        >>> ClientPrograms(None, "postgresql://me:secret@db.example/prices?sslmode=require", {}).rest()
        'sslmode=require'
        """
        parts = {name: value for name, value in conninfo_to_dict(conninfo(self.url)).items() if name not in _VARIABLES}
        return make_conninfo(**parts)  # pyright: ignore[reportArgumentType] - libpq's own keys


def dump(
    programs: ClientPrograms,
    to: Path,
    *,
    without: str | None,
    tell: Callable[[str], None],
    check: Callable[[], None],
) -> int:
    """Write a database into a file, whole or not at all, and return its bytes.

    The rows of tables that the pattern `without` names are left out. `tell` is told which table is written, and `check`
    raises where somebody asks for the end. Raises `UsageError` for a file that is there already or can't be written,
    `DatabaseError` for what `pg_dump` says.
    """
    if to.exists() or to.is_symlink():
        raise UsageError(f"{to} is there already, and no dump takes another one's place: give another name.")
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        # A dump holds all that there is to know: it is its owner's alone.
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise UsageError(f"{to} can't be written ({error.strerror}): give a place that can.") from error
    try:
        with _running(
            [programs.path("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", "--no-password", "--verbose"]
            + ([f"--exclude-table-data={without}"] if without else [])
            + [f"--file={part}", f"--dbname={programs.rest()}"],
            programs.variables(),
            tell=tell,
        ) as dumping:
            dumping.end(check)
        _entries(programs, part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        _named(part, to)
    finally:
        part.unlink(missing_ok=True)
    return to.stat().st_size


def _named(part: Path, to: Path) -> None:
    try:
        # Unlike renaming it fails where somebody has put a file there meanwhile.
        os.link(part, to)
    except FileExistsError as error:
        raise UsageError(f"{to} was made by somebody else meanwhile: give another name.") from error
    except OSError:
        # Some file systems know no second names.
        part.rename(to)


def restore(
    programs: ClientPrograms,
    source: Path,
    *,
    database: Database,
    replaces: bool,
    tell: Callable[[str], None],
    check: Callable[[], None],
) -> None:
    """Bring a dump into a database, whole or not at all; `replaces` drops what is there, in the same transaction.

    Raises `UsageError` for a file that is no dump, and where something is there and nothing is to be replaced;
    `DatabaseError` for what PostgreSQL says.
    """
    entries = _entries(programs, source)
    there = _there(database)
    if there and not replaces:
        raise UsageError(
            f"The database {database.description} is not empty. Give --replace to drop all that is in it for what the "
            "dump holds."
        )
    dropping = "".join(f"DROP {name} CASCADE;\n" for name in there).encode()
    with tempfile.NamedTemporaryFile("w", prefix="ironforge-", suffix=".list", encoding="utf-8") as chosen:
        chosen.write("\n".join(line for line in entries if not _OF_THE_SCHEMA.match(line)))
        chosen.flush()
        reading = _running(
            [
                programs.path("pg_restore"),
                *("--no-owner", "--no-privileges", "--verbose", f"--use-list={chosen.name}", "--file=-"),
                str(source),
            ],
            programs.variables(),
            tell=tell,
            stdout=subprocess.PIPE,
        )
        writing = _running(
            [
                programs.path("psql"),
                *("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--single-transaction"),
                *("--output=/dev/null", "--file=-", f"--dbname={programs.rest()}"),
            ],
            programs.variables(),
            tell=tell,
            stdin=subprocess.PIPE,
        )
        # At the end of its input psql commits: it may come to that only when all of the dump was read.
        with writing as into, reading as out, ThreadPoolExecutor(max_workers=1) as pool:
            pouring = pool.submit(_pour, out, into, before=dropping)
            try:
                while not pouring.done():
                    wait([pouring], timeout=_LOOK_EVERY)
                    check()
            except BaseException:
                # Also where Ctrl-C ends it: what waits for the two programs goes on only when they are gone.
                into.stop()
                out.stop()
                raise
            if pouring.result():
                out.end(check)
            into.end(check)


def _pour(out: _Program, into: _Program, *, before: bytes) -> bool:
    """Hand on all that a program writes; False where the other has ended before."""
    return into.feed(before) and all(into.feed(piece) for piece in out.pieces())


def _there(database: Database) -> list[str]:
    """Tables, partitions apart, and types: what a dump would meet in the schema that it goes into."""
    with database.connect() as connection:
        return list(
            _execute(
                connection,
                text(
                    "SELECT 'TABLE ' || oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                    " AND relnamespace = current_schema()::regnamespace"
                    " UNION ALL SELECT 'TYPE ' || oid::regtype FROM pg_type WHERE typtype = 'e'"
                    " AND typnamespace = current_schema()::regnamespace"
                ),
            ).scalars()
        )


def _entries(programs: ClientPrograms, source: Path) -> list[str]:
    """The table of contents of a dump; raises `UsageError` where the file is none."""
    try:
        source.open("rb").close()
    except OSError as error:
        raise UsageError(f"{source} can't be read ({error.strerror}).") from error
    listed = subprocess.run(
        [programs.path("pg_restore"), "--list", str(source)],
        env=programs.variables(),
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        said = listed.stderr.decode(errors="replace").strip().removeprefix("pg_restore: error: ")
        raise UsageError(f"{source} is no dump that can be read: {said}. `ironforge db dump` writes one.")
    return listed.stdout.decode().splitlines()


class _Program:
    """A program at work, whose messages are listened to."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, tell: Callable[[str], None]) -> None:
        self._process = process
        self._name = name
        self._tell = tell
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._listening = threading.Thread(target=self._listen, name=name, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        for line in self._process.stderr or ():
            said = line.decode(errors="replace").strip()
            if piece := _PIECE.search(said):
                self._tell(piece[1])
            elif _COMPLAINT.search(said):
                self._said.append(said)

    def pieces(self) -> Iterator[bytes]:
        """What it writes, without the line that older servers don't know: it stands before all data."""
        stream = self._process.stdout
        if stream is None:
            return
        for line in stream:
            if not line.startswith(_TOO_NEW):
                yield line
            if line.startswith((b"CREATE", b"COPY")):
                break
        while piece := stream.read(_PIECE_BYTES):
            yield piece

    def feed(self, piece: bytes) -> bool:
        """Hand it input; False where it takes no more, since it has ended."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(piece)
        except (BrokenPipeError, ValueError):
            # It has ended, or was stopped.
            return False
        return True

    def end(self, check: Callable[[], None]) -> None:
        """Let it come to its end; raises `DatabaseError` where that is a bad one."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        while True:
            try:
                code = self._process.wait(timeout=_LOOK_EVERY)
                break
            except subprocess.TimeoutExpired:
                check()
        self._listening.join()
        if code:
            said = " ".join(self._said) or f"exit code {code}"
            raise DatabaseError(f"{self._name} failed, and nothing was changed: {said}")

    def stop(self) -> None:
        """End it at once, wherever it is."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._listening.join()
        if self._process.stderr is not None:
            self._process.stderr.close()


@contextmanager
def _running(
    command: list[str],
    variables: Mapping[str, str],
    *,
    tell: Callable[[str], None],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Generator[_Program]:
    """A program, at its end when the block is; Ctrl-C at the terminal reaches this process alone, which ends it."""
    process = subprocess.Popen(
        command, env=variables, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True
    )
    program = _Program(process, command[0].rpartition("/")[2], tell)
    try:
        yield program
    finally:
        program.stop()
