from __future__ import annotations

import os
import signal
import stat
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from ironforge_cli.db.embedded.folders import SOCKET_NAME
from ironforge_cli.errors import DatabaseError
from tests.db.embedded.clusters import cluster_in, made, running, write_lock_file, write_program
from tests.db.embedded_playground import eventually, is_alive
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Generator

    from ironforge_cli.db.embedded.cluster import Cluster

READY = """
printf '%s\\n' $$ "$DATA" 1 5432 run '' ' 1 2' 'ready   ' > "$DATA/whole" && mv "$DATA/whole" "$DATA/postmaster.pid"
exec sleep 60
"""
TELL = 'for word in "$@"; do echo "$word"; done; echo "claims ${PG_GRANDPARENT_PID-nothing}"\n'


@pytest.fixture
def cluster() -> Generator[Cluster]:
    with open_folder() as folder:
        cluster = made(cluster_in(folder / "postgres"))
        before = psutil.Process().children()
        yield cluster
        for child in psutil.Process().children():
            if child not in before:
                child.kill()


def soon() -> float:
    return time.monotonic() + 30


def said(cluster: Cluster) -> list[str]:
    return cluster.log.read_text(encoding="utf-8").splitlines()


def test_a_server_is_told_its_data_its_socket_and_its_port_and_writes_a_private_log(cluster: Cluster) -> None:
    write_program(cluster, "postgres", TELL + READY)
    assert cluster.launch(deadline=soon())
    where = ["-c", f"unix_socket_directories={cluster.sockets}", "-c", "port=5432"]
    assert said(cluster) == ["-D", str(cluster.data), *where, "claims nothing"]
    for name in ("server.log", "ironforge.conf", "user.conf"):
        assert stat.S_IMODE((cluster.base / name).stat().st_mode) == 0o600


def test_ironforges_settings_are_written_at_each_start_and_the_operators_never_again(cluster: Cluster) -> None:
    write_program(cluster, "postgres", READY)
    assert cluster.launch(deadline=soon())
    settings = (cluster.base / "ironforge.conf").read_text(encoding="utf-8").splitlines()
    assert {
        "listen_addresses = ''",
        "unix_socket_permissions = 0700",
        "dynamic_shared_memory_type = mmap",
        "timezone = 'UTC'",
    } <= set(settings)
    # What is stored must outlive a power cut.
    assert not [line for line in settings if line.startswith(("fsync", "full_page_writes", "synchronous_commit"))]
    assert (cluster.base / "user.conf").read_text(encoding="utf-8").startswith("# PostgreSQL settings of your own.")
    for name in ("ironforge.conf", "user.conf"):
        (cluster.base / name).write_text("mine\n", encoding="utf-8")
    assert cluster.launch(deadline=soon())
    assert (cluster.base / "ironforge.conf").read_text(encoding="utf-8").splitlines() == settings
    assert (cluster.base / "user.conf").read_text(encoding="utf-8") == "mine\n"


def test_what_a_killed_server_left_beside_its_socket_is_taken_away(cluster: Cluster) -> None:
    (cluster.sockets / f"{SOCKET_NAME}.lock").write_text("4711\n", encoding="ascii")
    write_program(cluster, "postgres", READY)
    assert cluster.launch(deadline=soon())
    assert list(cluster.sockets.iterdir()) == []


@pytest.mark.parametrize(("size", "kept"), [(5_000_000, True), (5_000_001, False)])
def test_a_log_above_five_megabytes_is_put_aside_and_another_is_written_on(
    cluster: Cluster, size: int, *, kept: bool
) -> None:
    cluster.log.touch()
    os.truncate(cluster.log, size)
    write_program(cluster, "postgres", "echo written" + READY)
    assert cluster.launch(deadline=soon())
    aside = cluster.log.with_name("server.log.1")
    assert aside.exists() is not kept
    assert cluster.log.stat().st_size == (size if kept else 0) + len("written\n")


def test_the_log_of_a_server_that_runs_is_shortened_and_goes_on_at_its_new_end(cluster: Cluster) -> None:
    cluster.shorten_log()
    assert not cluster.log.exists()
    with cluster.log.open("ab") as log:
        for times in range(3):
            log.write(b"x" * 5_000_000 + b"%d" % times)
            log.flush()
            cluster.shorten_log()
            assert cluster.log.stat().st_size == 0
            former = cluster.log.with_name("server.log.1").read_bytes()
            assert (len(former), former[-2:]) == (5_000_000, b"x%d" % times)
        log.write(b"and so on")
        log.flush()
        cluster.shorten_log()
    assert cluster.log.read_bytes() == b"and so on"


def test_a_file_that_says_ready_of_another_process_is_not_believed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lock_file(cluster, 4_194_305)
    write_program(cluster, "postgres", 'while [ ! -e "$DATA/go" ]; do sleep 0.01; done' + READY)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        (cluster.data / "go").touch()

    monkeypatch.setattr(time, "sleep", sleep)
    assert cluster.launch(deadline=soon())
    assert pauses
    lock = cluster.lock_file()
    assert lock is not None
    assert lock.pid != 4_194_305


def test_a_server_that_is_still_coming_up_is_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    coming_up = READY.replace("ready   ", "starting").partition("exec")[0]
    write_program(cluster, "postgres", coming_up + 'while [ ! -e "$DATA/go" ]; do sleep 0.01; done' + READY)
    seen: list[bool] = []

    def sleep(_: float) -> None:
        lock = cluster.lock_file()
        if lock is not None:
            seen.append(lock.ready)
            (cluster.data / "go").touch()

    monkeypatch.setattr(time, "sleep", sleep)
    assert cluster.launch(deadline=soon())
    assert seen[0] is False


def test_a_server_that_ends_leaves_nothing_of_itself_in_the_process_that_started_it(cluster: Cluster) -> None:
    write_program(cluster, "postgres", READY)
    assert cluster.launch(deadline=soon())
    lock = cluster.lock_file()
    assert lock is not None
    os.kill(lock.pid, signal.SIGKILL)
    # An ended child that nobody waited for would stay in the list of processes.
    eventually(lambda: not psutil.pid_exists(lock.pid))


@pytest.mark.parametrize(
    ("trouble", "passes"),
    [
        ("pre-existing shared memory block (key 1, ID 2) is still in use", True),
        ('lock file "postmaster.pid" already exists', True),
        ('lock file "/run/.s.PGSQL.5432.lock" already exists', False),
        ("could not map anonymous shared memory", False),
    ],
)
def test_only_what_passes_by_itself_is_tried_again(cluster: Cluster, trouble: str, *, passes: bool) -> None:
    write_program(cluster, "postgres", f"echo 'FATAL:  {trouble}' >&2; exit 1")
    if passes:
        assert not cluster.launch(deadline=soon())
        return
    with pytest.raises(DatabaseError, match=r"exit code 1.*server\.log:\n  FATAL:  ") as failed:
        cluster.launch(deadline=soon())
    assert trouble in str(failed.value)


def test_what_an_earlier_start_met_says_nothing_of_this_one(cluster: Cluster) -> None:
    cluster.log.write_text("FATAL:  pre-existing shared memory block\n", encoding="utf-8")
    write_program(cluster, "postgres", "for n in 1 2 3 4 5 6 7 8 9; do echo line $n; done; exit 3")
    with pytest.raises(DatabaseError, match="exit code 3") as failed:
        cluster.launch(deadline=soon())
    assert str(failed.value).splitlines()[1:] == [f"  line {number}" for number in range(2, 10)]


def test_a_server_that_is_not_ready_in_time_goes_on(cluster: Cluster) -> None:
    write_program(cluster, "postgres", 'echo $$ > "$DATA/started"; exec sleep 60')
    with pytest.raises(DatabaseError, match="still coming up"):
        cluster.launch(deadline=time.monotonic() - 1)
    eventually(lambda: (cluster.data / "started").exists() and (cluster.data / "started").read_text() != "")
    assert is_alive(int((cluster.data / "started").read_text(encoding="ascii")))


def test_a_server_whose_starter_is_interrupted_is_ended(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(cluster, "postgres", 'echo $$ > "$DATA/started"; exec sleep 60')

    def interrupt(_: float) -> None:
        if (cluster.data / "started").exists() and (cluster.data / "started").read_text(encoding="ascii"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            cluster.launch(deadline=soon())
    pid = int((cluster.data / "started").read_text(encoding="ascii"))
    eventually(lambda: not is_alive(pid))


def test_a_stale_process_id_is_claimed_only_where_somebody_else_has_it(cluster: Cluster) -> None:
    write_program(cluster, "postgres", TELL + "exit 1")

    def claimed() -> str:
        with pytest.raises(DatabaseError):
            cluster.launch(deadline=soon())
        return said(cluster)[-1]

    assert claimed() == "claims nothing"
    write_lock_file(cluster, 4_194_305)
    assert claimed() == "claims nothing"
    write_lock_file(cluster, os.getpid())
    assert claimed() == f"claims {os.getpid()}"
    # PostgreSQL itself has to refuse a second server on the data.
    with running(cluster) as server:
        write_lock_file(cluster, server.pid)
        assert claimed() == "claims nothing"


def test_a_stale_process_id_of_another_users_is_claimed_too(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(cluster, "postgres", TELL + "exit 1")
    write_lock_file(cluster, os.getpid())

    def refuse(_: int, __: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    with pytest.raises(DatabaseError):
        cluster.launch(deadline=soon())
    assert said(cluster)[-1] == f"claims {os.getpid()}"
