"""What tests of several folders need: servers, databases in them, the sandbox, a clock, recorded answers."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import HealthCheck, settings

from ironforge_cli.blizzard.spool import Shelves
from ironforge_cli.db.engine import Database
from ironforge_cli.jobs.evidence.pending import PendingRows
from ironforge_cli.jobs.storage import Storage
from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox
from tests.clocks import TickingClock
from tests.compiled import SharingDialect, sharing_engine
from tests.guard import guard_ownership
from tests.servers import (
    TestServer,
    debian_programs,
    embedded_server,
    external_server,
    folder_in_memory,
    pgbouncer,
    pooler,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.stores import S3

RECORDED = "RECORDED_ANSWERS"
# What the environment of whoever starts the tests says to the program or to its libraries.
_FOREIGN = (
    "IRONFORGE_",
    "BLIZZARD_",
    "DATABASE_URL",
    "PG",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "PYTHONIOENCODING",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
_OBJECTS_BETWEEN_LOOKS = 100_000
# How long an example takes says something of the machine alone.
settings.register_profile("ironforge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ironforge")


def pytest_configure() -> None:
    """Let nothing of the caller's environment reach the program: tests run alike in an editor and from cron."""
    guard_ownership()
    # A shell starts what it runs in the background with these ignored, and every program below inherits that.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    for name in list(os.environ):
        if name.startswith(_FOREIGN):
            del os.environ[name]
    # Nor whether Python keeps what it compiled: else each run rewrites the assertions of every test anew, and each of
    # the processes that tests start compiles the whole package.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # A test that wants another terminal, or none, says so.
    os.environ["TERM"] = "xterm-256color"
    # What tests write is thrown away: it needn't go through a disk.
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ and (memory := folder_in_memory()) is not None:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(memory)
    # Every server of the tests is on this machine, whatever the way to the others.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    # As the program does itself: most of what is made by the hundred thousand here, modules and items, stays.
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)


def pytest_collection_finish() -> None:
    """Never look again at what is there before the first test: modules and items make up nearly all objects."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for doctests only in those files of tests that hold any: the search is slow, and each worker does it."""
    found = yield
    return [one for one in found if not isinstance(one, DoctestModule) or ">>> " in file_path.read_text("utf-8")]


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Generator[None]:
    """Let what was compiled for the database of one test be used for that of the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ironforge_cli.db.engine.create_engine", sharing_engine)
        patch.setattr("ironforge_cli.db.engine.Dialect", SharingDialect)
        yield


@pytest.fixture(scope="session")
def server() -> Generator[TestServer]:
    """The embedded server, one for all tests."""
    with embedded_server(os.environ.get("RUNNING_SERVER")) as running:
        yield running


@pytest.fixture(scope="session")
def external() -> Generator[TestServer]:
    """A server as an operator runs one, one for all tests."""
    programs = debian_programs()
    if programs is None:
        pytest.skip("no PostgreSQL of the system's is installed (Debian: apt-get install postgresql)")
    with external_server(programs) as running:
        yield running


@pytest.fixture(scope="session")
def transaction_pooler(external: TestServer) -> Generator[str]:
    """The address of a PgBouncer in transaction mode before the operator's server."""
    program = pgbouncer()
    if program is None:
        pytest.skip("no PgBouncer is installed (Debian: apt-get install pgbouncer)")
    with pooler(program, external, mode="transaction") as address:
        yield address


@pytest.fixture(scope="session")
def session_pooler(external: TestServer) -> Generator[str]:
    """The same in session mode."""
    program = pgbouncer()
    if program is None:
        pytest.skip("no PgBouncer is installed (Debian: apt-get install pgbouncer)")
    with pooler(program, external, mode="session") as address:
        yield address


@pytest.fixture(scope="session", params=["embedded", pytest.param("external", marks=pytest.mark.slow)])
def any_server(request: pytest.FixtureRequest) -> TestServer:
    """Both kinds of server in turn: for what has to work on an operator's own, too, which the slow tests try."""
    return request.getfixturevalue("server" if request.param == "embedded" else "external")


@pytest.fixture
def database_url(request: pytest.FixtureRequest, server: TestServer) -> Generator[str]:
    """The URL of a migrated, empty database; for tests of an installation that is well, of a copy of such a one."""
    if "well" in request.fixturenames:
        from tests.jobs.healthy import install  # noqa: PLC0415 - few tests need it

        with server.prepared_database("well", install) as url:
            yield url
        return
    with server.migrated_database() as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Generator[Database]:
    """A migrated, empty database."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def any_database(any_server: TestServer) -> Generator[Database]:
    """A migrated, empty database on each kind of server."""
    with any_server.migrated_database() as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def storage(database: Database, tmp_path: Path) -> Storage:
    """Where a collection goes: a database, and folders for what it can't take."""
    return storage_in(tmp_path, database)


@pytest.fixture
def any_storage(any_database: Database, tmp_path: Path) -> Storage:
    """The same on each kind of server."""
    return storage_in(tmp_path, any_database)


def storage_in(home: Path, database: Database) -> Storage:
    """Storage whose folders are in `home`."""
    return Storage(
        database=database,
        shelves=Shelves.of(home),
        pending=PendingRows(home / "spool" / "log-rows.jsonl"),
        locks_folder=home / "locks",
        retention_days=30,
    )


@pytest.fixture
def clock() -> TickingClock:
    """A clock that stands at a time until somebody waits."""
    return TickingClock(datetime(2026, 1, 14, 12, 30, tzinfo=UTC))


@pytest.fixture
def make_sandbox() -> Generator[Callable[..., Sandbox]]:
    """Start stand-ins for Blizzard's API, small ones unless told otherwise, and end them after the test."""
    with ExitStack() as running:

        def make(**options: object) -> Sandbox:
            small = {"auctions": 1_000, "items": 150, "recipes": 20, "limits": Limits(per_second=None, per_hour=None)}
            return running.enter_context(Sandbox(**{**small, **options}))  # pyright: ignore[reportArgumentType] - the caller knows them

        yield make


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A small stand-in for Blizzard's API."""
    return make_sandbox()


@pytest.fixture(scope="session")
def s3() -> Generator[S3]:
    """A store that speaks S3, one for all tests."""
    from tests.stores import s3_server  # noqa: PLC0415 - moto takes long to import, and few tests need it

    with s3_server() as running:
        yield running


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded real answers; tests of them skip where it isn't named."""
    folder = os.environ.get(RECORDED)
    if not folder:
        pytest.skip(f"{RECORDED} names no folder of recorded answers")
    return Path(folder)
