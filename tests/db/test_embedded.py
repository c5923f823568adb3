from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
import sqlalchemy

from ironforge_cli.errors import ConfigurationError, DatabaseError
from tests.db.embedded_playground import Playground, eventually, is_alive, programs, server_pid, sockets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.fixture(scope="module")
def ground() -> Iterator[Playground]:
    with Playground() as ground:
        yield ground


@pytest.fixture
def playground(ground: Playground) -> Iterator[Playground]:
    yield ground
    ground.end_processes()


@pytest.mark.parametrize(
    "bindir",
    [
        None,
        pytest.param(
            _DEBIAN[0].parent if _DEBIAN else None,
            marks=pytest.mark.skipif(not _DEBIAN, reason="the system has no PostgreSQL of its own"),
        ),
    ],
    ids=["found", "the system's"],
)
def test_the_first_start_makes_a_private_database_that_sqlalchemy_and_psycopg_reach(
    playground: Playground, bindir: Path | None
) -> None:
    home = playground.path()
    with playground.server(home, bindir=bindir) as server:
        engine = sqlalchemy.create_engine(server.url)
        with engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT current_database(), current_setting('data_checksums'), current_setting('listen_addresses'), "
                "current_setting('fsync'), current_setting('dynamic_shared_memory_type'), current_setting('TimeZone'), "
                "current_setting('wal_level'), getdatabaseencoding()"
            ).one()
        engine.dispose()
        with psycopg.connect(server.conninfo) as connection:
            collation = connection.execute("SELECT datcollate FROM pg_database WHERE datname = 'ironforge'").fetchone()
        assert server.data_folder.parent == home / "postgres"
        assert server.log_path.read_text(encoding="utf-8").count("ready to accept connections") == 1
    assert found == ("ironforge", "on", "", "on", "mmap", "UTC", "minimal", "UTF8")
    assert collation == ("C",)
    assert not server.is_running()
    for folder in (home, home / "postgres", home / "postgres" / "run"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_second_process_joins_and_the_last_one_out_stops_the_server(playground: Playground) -> None:
    home = playground.home()
    first, second = playground.client(home), playground.client(home)
    assert first.do("start") == second.do("start")
    first.do("close")
    assert second.do("query SELECT answer FROM kept") == [[42]]
    second.do("close")
    assert not second.do("running")
    assert not (home / "postgres" / "pg18" / "postmaster.pid").exists()


def test_starting_and_closing_twice_is_harmless(playground: Playground) -> None:
    server = playground.server(playground.home())
    assert server.start() is server.start()
    assert server.is_running()
    server.close()
    server.close()
    assert not server.is_running()
    with server:
        assert server.is_running()
    assert not server.is_running()


def test_eight_processes_that_start_first_at_once_share_one_server(playground: Playground) -> None:
    home = playground.path()
    clients = [playground.client(home) for _ in range(8)]
    for client in clients:
        client.do("running")
    for client in clients:
        client.send("start")
    assert len({client.answer() for client in clients}) == 1
    assert len({str(client.do("query SELECT system_identifier FROM pg_control_system()")) for client in clients}) == 1
    pid = server_pid(home)
    for client in clients[:-1]:
        client.send("close")
    for client in clients[:-1]:
        client.answer()
    assert is_alive(pid)
    clients[-1].do("close")
    assert not is_alive(pid)


def test_a_process_that_ends_without_closing_stops_the_server(playground: Playground) -> None:
    home = playground.home()
    client = playground.client(home)
    pid = client.do("start")
    client.leave()
    assert not is_alive(pid)


def test_the_next_process_joins_what_a_killed_one_left_and_stops_it(playground: Playground) -> None:
    home = playground.home()
    killed, following = playground.client(home), playground.client(home)
    pid = killed.do("start")
    killed.kill()
    assert is_alive(pid)
    assert following.do("start") == pid
    following.do("close")
    assert not is_alive(pid)


def test_interrupting_the_terminal_of_the_process_that_started_it_leaves_the_server_to_others(
    playground: Playground,
) -> None:
    home = playground.home()
    starter, other = playground.client(home), playground.client(home)
    pid = starter.do("start")
    other.do("start")
    os.killpg(starter.pid, signal.SIGINT)
    starter.await_end()
    assert server_pid(home) == pid
    assert other.do("query SELECT answer FROM kept") == [[42]]


def test_a_forked_child_neither_keeps_the_server_nor_stops_it(playground: Playground) -> None:
    home = playground.home()
    parent = playground.client(home)
    pid = parent.do("start")
    child = parent.do("fork")
    parent.do("close")
    assert is_alive(child)
    assert not is_alive(pid)
    pid = parent.do("start")
    orphan = parent.do("fork")
    parent.kill()
    following = playground.client(home)
    assert following.do("start") == pid
    following.do("close")
    assert is_alive(orphan)
    assert not is_alive(pid)
    os.kill(child, signal.SIGKILL)
    os.kill(orphan, signal.SIGKILL)


def test_a_person_who_is_connected_keeps_the_server(playground: Playground) -> None:
    home = playground.home()
    client = playground.client(home)
    pid = client.do("start")
    with psycopg.connect(playground.server(home).conninfo, application_name="psql") as person:
        client.do("close")
        assert person.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert is_alive(pid)
    assert client.do("start") == pid
    client.do("close")
    assert not is_alive(pid)


def test_a_server_kept_running_outlives_its_users_until_it_is_stopped(playground: Playground) -> None:
    home = playground.home()
    keeper, other = playground.client(home, keep_running=True), playground.client(home)
    pid = keeper.do("start")
    keeper.do("close")
    assert is_alive(pid)
    assert other.do("start") == pid
    other.do("close")
    assert is_alive(pid)
    assert other.do("stop") is True
    assert not is_alive(pid)
    assert other.do("stop") is False
    pid = other.do("start")
    other.do("close")
    assert not is_alive(pid)


def test_stopping_names_the_processes_that_still_use_the_server_unless_forced(playground: Playground) -> None:
    home = playground.home()
    user, stopper = playground.client(home), playground.client(home)
    pid = user.do("start")
    named = rf"\(process {user.pid}\).*--force" if sys.platform == "linux" else "--force"
    with pytest.raises(DatabaseError, match=named):
        stopper.do("stop")
    assert is_alive(pid)
    assert stopper.do("stop force") is True
    assert not is_alive(pid)
    assert user.do("start") != pid
    assert user.do("query SELECT answer FROM kept") == [[42]]


def test_stopping_where_nothing_ever_ran_makes_nothing(playground: Playground) -> None:
    home = playground.path()
    server = playground.server(home)
    assert server.stop() is False
    assert server.is_running() is False
    assert "postgresql+psycopg://postgres@/ironforge?host=" in server.url
    assert not home.exists()


def test_the_server_sees_no_secret_and_no_setting_of_its_starter(playground: Playground) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux shows the environment of other processes without rights")
    home = playground.path()
    strange = {
        "BLIZZARD_CLIENT_SECRET": "s3cret",
        "LANG": "xx_YY.UTF-8",
        "LC_ALL": "xx_YY.UTF-8",
        "PGDATA": "/nowhere",
        "PGDATABASE": "nothing",
        "PGHOST": "nowhere",
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": "1",
        "PGSSLMODE": "verify-full",
        "PGUSER": "nobody",
        "TMPDIR": "/nowhere",
        "TZ": "Asia/Tokyo",
    }
    client = playground.client(home, variables=strange)
    environment = psutil.Process(client.do("start")).environ()
    assert client.do("query SELECT current_user, current_setting('lc_messages')") == [["postgres", "C"]]
    assert environment["LC_ALL"] == "C"
    assert not set(environment) & (set(strange) - {"LC_ALL"})


def test_settings_of_the_operator_win_and_survive(playground: Playground) -> None:
    home = playground.home()
    (home / "postgres" / "user.conf").write_text("work_mem = '17MB'\nport = 1\n", encoding="utf-8")
    (home / "postgres" / "ironforge.conf").unlink()
    with playground.server(home) as server, psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SELECT current_setting('work_mem')").fetchone() == ("17MB",)
        assert connection.execute("SELECT current_setting('max_wal_size')").fetchone() == ("4GB",)


def test_a_database_that_was_dropped_is_made_again(playground: Playground) -> None:
    server = playground.server(playground.home())
    with server, psycopg.connect(server.conninfo, dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE ironforge")
    with server, psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("with space", 'say "hi"', "a,b", "50%", "émigré")),
        # What quotes and escapes, and the longest, at once: they are what a settings file and a socket stumble over.
        "it's",
        "back\\slash",
        "long" * 30,
    ],
)
def test_a_home_may_have_any_name(playground: Playground, name: str) -> None:
    home = playground.home(name)
    with playground.server(home) as server:
        with sqlalchemy.create_engine(server.url, poolclass=sqlalchemy.NullPool).connect() as connection:
            assert connection.exec_driver_sql("SELECT answer FROM kept").scalar() == 42
        psql = subprocess.run(
            [programs() / "psql", server.conninfo, "-XAtc", "SHOW data_directory"], capture_output=True, check=True
        )
        assert psql.stdout == os.fsencode(server.data_folder) + b"\n"
        assert stat.S_IMODE(sockets_of(home).stat().st_mode) == 0o700


def test_a_link_to_a_home_leads_to_the_same_server(playground: Playground) -> None:
    home = playground.home("long" * 30)
    link = playground.path("link" * 30)
    link.symlink_to(home)
    first, second = playground.client(home), playground.client(link)
    assert first.do("start") == second.do("start")


def test_the_data_may_be_moved_to_another_disk_behind_a_link(playground: Playground) -> None:
    home = playground.home()
    elsewhere = playground.path("larger disk")
    (home / "postgres").rename(elsewhere)
    (home / "postgres").symlink_to(elsewhere)
    with playground.server(home) as server, psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_data_of_another_major_version_is_refused_and_left_alone(playground: Playground) -> None:
    home = playground.home()
    data = next((home / "postgres").glob("pg*"))
    data.rename(data.with_name("pg13"))
    with pytest.raises(ConfigurationError, match=r"PostgreSQL 13.*IRONFORGE_PG_BINDIR"):
        playground.server(home).start()
    assert [path.name for path in (home / "postgres").glob("pg*")] == ["pg13"]


def test_a_forked_child_has_no_part_in_its_parents_locks() -> None:
    script = """
import os, sys
from ironforge_cli.db.embedded.file_lock import FileLock, Hold
from ironforge_cli.db.embedded.accounts import own_account
from pathlib import Path
lock = FileLock(Path(sys.argv[1]), account=own_account())
assert lock.take(Hold.ALONE, seconds=0)
child = os.fork()
if child == 0:
    os._exit(0 if not lock.is_open else 1)
assert os.waitpid(child, 0)[1] == 0
assert lock.is_open
other = FileLock(Path(sys.argv[1]), account=own_account())
assert not other.take(Hold.ALONE, seconds=0)
lock.release()
assert other.take(Hold.ALONE, seconds=0)
"""
    with Playground() as ground:
        subprocess.run([sys.executable, "-c", script, ground.path("lock")], check=True)


def test_windows_is_told_to_bring_a_database() -> None:
    script = """
import subprocess, sys
from ironforge_cli.errors import ConfigurationError
sys.platform = "win32"
sys.modules["fcntl"] = sys.modules["pwd"] = None
try:
    import ironforge_cli.db.embedded
except ConfigurationError as error:
    sys.exit(0 if "IRONFORGE_DATABASE_URL" in str(error) else str(error))
sys.exit("it was imported")
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_many_starts_and_stops_in_many_processes_leave_nothing_behind(playground: Playground) -> None:
    home = playground.home()
    clients = [playground.client(home) for _ in range(3)]
    for _ in range(5):
        for client in clients:
            client.send("start")
            client.send("query INSERT INTO kept SELECT count(*) FROM kept")
            client.send("close")
        for client in clients:
            assert client.answer()
            client.answer()
            client.answer()
    assert not clients[0].do("running")
    clients[0].do("start")
    assert clients[0].do("query SELECT count(*) FROM kept") == [[16]]
    pid = server_pid(home)
    clients[0].do("close")
    eventually(lambda: not is_alive(pid))
