from __future__ import annotations

import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from ironforge_cli.db.embedded.cluster import answering_pid
from ironforge_cli.errors import ConfigurationError, DatabaseError
from tests.db.embedded_playground import (
    Playground,
    eventually,
    is_alive,
    server_pid,
    sockets_of,
    usual_account,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def ground() -> Iterator[Playground]:
    with Playground() as ground:
        yield ground


@pytest.fixture
def playground(ground: Playground) -> Iterator[Playground]:
    yield ground
    ground.end_processes()


def killed_server(playground: Playground, home: Path) -> Path:
    """The data folder of `home` after its server was killed, with the `postmaster.pid` that it left."""
    client = playground.client(home, keep_running=True)
    pid = client.do("start")
    client.do("query INSERT INTO kept VALUES (43)")
    client.kill()
    children = psutil.Process(pid).children()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_alive(pid) and not any(is_alive(child.pid) for child in children))
    data = next((home / "postgres").glob("pg*"))
    assert (data / "postmaster.pid").exists()
    return data


def test_a_killed_server_recovers_at_the_next_start_with_its_data(playground: Playground) -> None:
    home = playground.home()
    killed_server(playground, home)
    with playground.server(home) as server, psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SELECT sum(answer) FROM kept").fetchone() == (85,)


def test_a_server_killed_while_it_is_used_is_started_anew_by_the_same_object(playground: Playground) -> None:
    home = playground.home()
    client = playground.client(home)
    pid = client.do("start")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: answering_pid(sockets_of(home)) is None)
    assert client.do("start") != pid
    assert client.do("query SELECT answer FROM kept") == [[42]]


def test_what_a_killed_server_left_at_work_is_waited_for(playground: Playground) -> None:
    home = playground.home()
    client, other = playground.client(home), playground.client(home)
    pid = client.do("start")
    with psycopg.connect(playground.server(home).conninfo) as connection:
        # A stopped process stands for one amid a long statement: it doesn't see yet that its server has gone.
        at_work = connection.info.backend_pid
        os.kill(at_work, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: answering_pid(sockets_of(home)) is None)
        other.send("start")
        log = home / "postgres" / "server.log"
        eventually(lambda: "pre-existing shared memory block" in log.read_text(encoding="utf-8"))
        os.kill(at_work, signal.SIGCONT)
        assert other.answer() != pid
    assert other.do("query SELECT answer FROM kept") == [[42]]


def test_a_stale_process_id_that_belongs_to_another_program_by_now_harms_neither(playground: Playground) -> None:
    home = playground.home()
    data = killed_server(playground, home)
    account = usual_account(home)
    with (home / "unrelated.log").open("wb") as log:
        command = ["/bin/sh", "-c", "sleep 600; true"]
        innocent = account.launch(command, environment=dict(os.environ), log=log, extra={})
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        (data / "postmaster.pid").write_text("\n".join([str(innocent.pid), *lines[1:], ""]), encoding="utf-8")
        server = playground.server(home)
        assert not server.is_running()
        (home / "postgres" / "keep-running").unlink()
        with server, psycopg.connect(server.conninfo) as connection:
            assert connection.execute("SELECT sum(answer) FROM kept").fetchone() == (85,)
        assert not server.is_running()
        assert innocent.poll() is None
    finally:
        os.killpg(innocent.pid, signal.SIGKILL)
        innocent.wait()


def test_a_process_killed_while_it_makes_the_data_leaves_no_half_of_it(playground: Playground) -> None:
    home = playground.path()
    killed, following = playground.client(home), playground.client(home)
    killed.send("start")
    eventually(lambda: any((home / "postgres").glob("tmp-*")) if home.exists() else False)
    killed.kill()
    following.do("start")
    assert following.do("query SELECT 1") == [[1]]
    assert following.do("query SHOW data_checksums") == [["on"]]


def test_what_killed_processes_left_half_made_is_removed(playground: Playground) -> None:
    home = playground.home()
    left = home / "postgres" / "tmp-4711"
    left.mkdir()
    (left / "PG_VERSION").write_text("18\n", encoding="utf-8")
    with playground.server(home):
        assert not left.exists()


def test_a_process_killed_just_after_it_launched_the_server_hands_it_on(playground: Playground) -> None:
    home = playground.home()
    killed, following = playground.client(home), playground.client(home)
    following.do("running")
    killed.send("start")
    eventually(lambda: any((home / "postgres").glob("pg*/postmaster.pid")))
    killed.kill()
    following.do("start")
    assert following.do("query SELECT answer FROM kept") == [[42]]
    pid = server_pid(home)
    following.do("close")
    assert not is_alive(pid)


def test_a_server_that_is_shutting_down_is_waited_for_and_started_again(playground: Playground) -> None:
    home = playground.home()
    client = playground.client(home, keep_running=True)
    pid = client.do("start")
    client.do("query INSERT INTO kept SELECT generate_series(1, 200000)")
    client.do("close")
    os.kill(pid, signal.SIGINT)
    assert client.do("start") != pid
    assert client.do("query SELECT count(*) FROM kept") == [[200001]]


def test_a_server_that_cannot_start_is_quoted(playground: Playground) -> None:
    home = playground.home()
    (home / "postgres" / "user.conf").write_text("no_such_setting = 1\n", encoding="utf-8")
    server = playground.server(home)
    with pytest.raises(DatabaseError, match=r"(?s)server\.log.*no_such_setting"):
        server.start()
    (home / "postgres" / "user.conf").write_text("", encoding="utf-8")
    with server, psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_server_still_coming_up_at_the_time_out_is_joined_by_the_next(playground: Playground) -> None:
    home = playground.home()
    impatient, patient = playground.client(home, start_timeout=0), playground.client(home)
    with pytest.raises(DatabaseError, match="still coming up"):
        impatient.do("start")
    patient.do("start")
    assert patient.do("query SELECT answer FROM kept") == [[42]]
    assert (home / "postgres" / "server.log").read_text(encoding="utf-8").count("starting PostgreSQL") == 2


def test_somebody_who_starts_it_for_ever_is_named(playground: Playground) -> None:
    home = playground.home()
    slow, waiting = playground.client(home), playground.client(home, start_timeout=0.1)
    slow.do("hold_start_lock")
    named = rf"process {slow.pid}\b" if sys.platform == "linux" else "Another process"
    with pytest.raises(DatabaseError, match=named):
        waiting.do("start")
    slow.kill()
    waiting = playground.client(home)
    waiting.do("start")


def test_a_log_grown_large_is_put_aside(playground: Playground) -> None:
    home = playground.home()
    log = home / "postgres" / "server.log"
    with log.open("a", encoding="utf-8") as file:
        file.write("x" * 5_000_001)
    with playground.server(home):
        assert log.stat().st_size < 10_000
    assert log.with_name("server.log.1").stat().st_size == 5_000_000


def test_folders_open_to_others_are_refused(playground: Playground) -> None:
    home = playground.home()
    for folder in (home / "postgres" / "run", home / "postgres"):
        folder.chmod(0o755)
        with pytest.raises(ConfigurationError, match=re.escape(f"chmod 700 {folder}`")):
            playground.server(home).start()
        folder.chmod(0o700)
    (home / "postgres" / "run").rmdir()
    (home / "postgres" / "run").symlink_to(playground.root)
    with pytest.raises(ConfigurationError, match="not a folder"):
        playground.server(home).start()


def test_a_home_that_is_a_file_or_below_one_is_refused(playground: Playground) -> None:
    home = playground.path()
    home.write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"{home} is not a folder.*IRONFORGE_HOME"):
        playground.server(home).start()
    with pytest.raises(ConfigurationError, match="IRONFORGE_HOME"):
        playground.server(home / "below").start()
    home.unlink()


def test_a_server_that_runs_but_cannot_be_reached_is_named(playground: Playground) -> None:
    home = playground.home()
    client = playground.client(home)
    pid = client.do("start")
    (home / "postgres" / "run" / ".s.PGSQL.5432").unlink()
    with pytest.raises(ConfigurationError, match=f"kill -INT {pid}"):
        playground.server(home).start()
    assert playground.server(home).stop(force=True) is True
    assert not is_alive(pid)


def test_the_clock_of_the_wall_plays_no_part(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_clock() -> float:
        raise AssertionError("the wall clock was read")

    monkeypatch.setattr(time, "time", no_clock)
    with playground.server(playground.home()) as server:
        assert server.is_running()
