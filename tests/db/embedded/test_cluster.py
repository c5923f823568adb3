from __future__ import annotations

import os
import socket
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.embedded import cluster as module
from ironforge_cli.db.embedded.accounts import Account
from ironforge_cli.db.embedded.cluster import Cluster, LockFile, answering_pid
from ironforge_cli.db.embedded.folders import SOCKET_NAME
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.values import replace
from tests.db.embedded.clusters import cluster_in, listening, made, running, write_lock_file, write_program
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

INITDB = """
mkdir "$DATA" && echo "# as initdb wrote it" > "$DATA/postgresql.conf" && echo 18 > "$DATA/PG_VERSION"
for word in "$@"; do echo "$word"; done > "$DATA/arguments"
"""


@pytest.fixture
def cluster() -> Generator[Cluster]:
    # The path of a socket has to be short.
    with open_folder() as folder:
        yield cluster_in(folder / "postgres")


def soon() -> float:
    return time.monotonic() + 30


@pytest.fixture
def then(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen while the next pause lasts."""

    def let(happen: Callable[[], object]) -> None:
        steps = [happen]

        def sleep(_: float) -> None:
            if steps:
                steps.pop()()

        monkeypatch.setattr(time, "sleep", sleep)

    return let


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, None),
        ("", None),
        ("\n", None),
        ("47", LockFile(pid=47, ready=False)),
        ("x47\n", None),
        ("47\n/data\n1\n5432\n/run\n\n  1 2\n", LockFile(pid=47, ready=False)),
        ("47\n/data\n1\n5432\n/run\n\n  1 2\nstarting\n", LockFile(pid=47, ready=False)),
        ("47\n/data\n1\n5432\n/run\n\n  1 2\nstopping\n", LockFile(pid=47, ready=False)),
        ("47\n/data\n1\n5432\n/run\n\n  1 2\nstandby \n", LockFile(pid=47, ready=False)),
        ("47\n/data\n1\n5432\n/run\n\n  1 2\nready   \n", LockFile(pid=47, ready=True)),
        ("47\n/data\n1\n5432\n/run\n\nready\n", LockFile(pid=47, ready=False)),
    ],
)
def test_a_server_is_ready_when_the_eighth_line_says_so(cluster: Cluster, text: str | None, found: LockFile) -> None:
    made(cluster)
    if text is not None:
        (cluster.data / "postmaster.pid").write_text(text, encoding="ascii")
    assert cluster.lock_file() == found


def test_the_data_of_the_newest_other_version_is_named_where_there_is_none_of_this_one(cluster: Cluster) -> None:
    cluster.refuse_other_majors()
    for name in ("pgdump", "pg9", "pg16", "pg17"):
        (cluster.base / name).mkdir()
    with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 17, .*\n?version 18") as refused:
        cluster.refuse_other_majors()
    assert f"the programs in {cluster.bindir} are version 18" in str(refused.value)
    cluster.data.mkdir()
    with pytest.raises(ConfigurationError, match="PostgreSQL 18, but"):
        cluster.refuse_other_majors()
    (cluster.data / "PG_VERSION").touch()
    cluster.refuse_other_majors()


def test_a_folder_of_other_names_is_no_data_of_another_version(cluster: Cluster) -> None:
    (cluster.base / "pgdump").mkdir()
    cluster.refuse_other_majors()


@pytest.mark.parametrize(("major", "builtin"), [(14, False), (16, False), (17, True), (18, True)])
def test_the_data_folder_is_made_elsewhere_with_checksums_and_for_this_user_alone(
    cluster: Cluster, major: int, *, builtin: bool
) -> None:
    cluster = replace(cluster, data=cluster.base / f"pg{major}")
    write_program(cluster, "initdb", INITDB)
    assert not cluster.exists
    cluster.initialise()
    assert cluster.exists
    assert (cluster.data / "arguments").read_text(encoding="utf-8").splitlines() == [
        *("-D", str(cluster.base / f"tmp-{os.getpid()}"), "-U", "postgres", "--encoding=UTF8", "--no-locale"),
        *("--data-checksums", "--auth-local=trust", "--auth-host=reject"),
        *(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if builtin else []),
    ]
    # The operator's own settings are read last, so that they win.
    assert (cluster.data / "postgresql.conf").read_text(encoding="utf-8").splitlines() == [
        "# as initdb wrote it",
        "",
        "include_if_exists = '../ironforge.conf'",
        "include_if_exists = '../user.conf'",
    ]
    assert list(cluster.base.glob("tmp-*")) == []


@pytest.mark.parametrize(
    "script", ["echo 'no room' >&2; exit 1", "echo 'no room'; exit 1", f"{INITDB}\necho 'no room' >&2; exit 1"]
)
def test_data_that_could_not_be_made_is_not_there_by_half(cluster: Cluster, script: str) -> None:
    write_program(cluster, "initdb", script)
    with pytest.raises(ConfigurationError, match="Put right what it says, and try again:\n  no room"):
        cluster.initialise()
    assert not cluster.data.exists()
    assert list(cluster.base.glob("tmp-*")) == []


def test_data_that_takes_for_ever_to_make_may_be_made_another_time(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INITDB_SECONDS", 0.05)
    write_program(cluster, "initdb", f"{INITDB}\nexec sleep 60")
    with pytest.raises(DatabaseError, match="hasn't made its data folder within"):
        cluster.initialise()
    assert not cluster.data.exists()
    assert list(cluster.base.glob("tmp-*")) == []


def test_an_account_without_a_name_is_told_before_anything_is_tried(cluster: Cluster) -> None:
    nameless = Account(name="54321", uid=54_321, gid=54_321, named=False, borrowed=True)
    with pytest.raises(ConfigurationError, match=r"as user 54321, .*/etc/passwd"):
        replace(cluster, account=nameless).initialise()


def test_only_what_is_half_made_is_cleared_away(cluster: Cluster) -> None:
    made(cluster)
    for name in ("tmp-1", "tmp-programs-2", "programs-3", "run"):
        (cluster.base / name).mkdir(exist_ok=True)
    cluster.clear_leftovers()
    assert sorted(path.name for path in cluster.base.iterdir()) == ["bin", "pg18", "programs-3", "run"]


def test_a_server_is_there_when_its_socket_accepts_and_never_by_a_file(cluster: Cluster) -> None:
    made(cluster)
    assert answering_pid(cluster.sockets) is None
    with listening(cluster):
        assert answering_pid(cluster.sockets) == os.getpid()
        assert cluster.is_there()
    # What it left says nothing any more.
    assert (cluster.sockets / SOCKET_NAME).exists()
    write_lock_file(cluster, os.getpid())
    assert answering_pid(cluster.sockets) is None
    assert not cluster.is_there()


def test_a_server_too_busy_to_accept_is_there_and_can_not_be_known(cluster: Cluster) -> None:
    made(cluster)
    with listening(cluster, queue=0), socket.socket(socket.AF_UNIX) as one:
        one.connect(str(cluster.sockets / SOCKET_NAME))
        assert answering_pid(cluster.sockets) == 0
        write_lock_file(cluster, 4_711)
        assert cluster.join(deadline=soon())
        with pytest.raises(DatabaseError, match="can't signal it"):
            cluster.stop()


def test_a_process_of_the_data_is_the_server_though_no_socket_answers(cluster: Cluster) -> None:
    made(cluster)
    assert not cluster.is_there()
    with running(cluster) as server:
        write_lock_file(cluster, server.pid, "stopping")
        assert cluster.is_there()
        assert cluster.stop()
        # The fast shutdown is asked for, which waits for nobody's session.
        assert server.wait(timeout=30) == -2
        assert not cluster.is_there()
        assert not cluster.stop()


@pytest.mark.parametrize(
    ("command", "there"),
    [("/opt/bin/postgres -D {data}", True), ("/opt/bin/postgres -D /elsewhere", False), ("vi {data}/x", False)],
)
def test_where_the_system_shows_no_folder_of_a_process_its_command_names_the_data(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, command: str, *, there: bool
) -> None:
    made(cluster)
    write_lock_file(cluster, os.getpid())

    def command_line(pid: int) -> str:
        assert pid == os.getpid()
        return command.format(data=cluster.data)

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(module, "_command_line", command_line)
    assert cluster.is_there() is there


@pytest.mark.parametrize("other", ["another program", "another folder"])
def test_a_process_that_is_not_the_server_is_left_alone(cluster: Cluster, other: str) -> None:
    made(cluster)
    name, folder = ("unrelated", None) if other == "another program" else ("postgres", cluster.base)
    with running(cluster, name=name, folder=folder) as innocent:
        write_lock_file(cluster, innocent.pid)
        assert not cluster.is_there()
        assert not cluster.join(deadline=soon())
        assert not cluster.stop()
        assert innocent.poll() is None


def test_a_server_that_is_still_shutting_down_after_a_minute_goes_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(cluster)
    monkeypatch.setattr(module, "_SHUTDOWN_SECONDS", 0.0)
    # This process answers, and takes no notice of the signal.
    with running(cluster) as server, monkeypatch.context() as patched:
        write_lock_file(cluster, server.pid)
        sent: list[tuple[int, int]] = []
        patched.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - numbers both
        with pytest.raises(DatabaseError, match=f"process {server.pid}.* still shutting down"):
            cluster.stop()
    assert (server.pid, 2) in sent


def test_a_server_that_ended_before_it_was_told_has_been_stopped(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(made(cluster)), monkeypatch.context() as patched:

        def kill(_: int, __: int) -> None:
            raise ProcessLookupError

        patched.setattr(os, "kill", kill)
        assert cluster.stop()


def test_a_server_is_joined_once_it_is_ready(cluster: Cluster, then: Callable[[Callable[[], object]], None]) -> None:
    with listening(made(cluster)):
        write_lock_file(cluster, os.getpid(), "starting")
        then(lambda: write_lock_file(cluster, os.getpid()))
        assert cluster.join(deadline=soon())


def test_a_server_that_writes_its_file_a_moment_after_it_answers_is_joined(
    cluster: Cluster, then: Callable[[Callable[[], object]], None]
) -> None:
    with listening(made(cluster)):
        write_lock_file(cluster, 4_711)
        then(lambda: write_lock_file(cluster, os.getpid()))
        assert cluster.join(deadline=soon())


def test_a_server_that_goes_meanwhile_is_not_joined(
    cluster: Cluster, then: Callable[[Callable[[], object]], None]
) -> None:
    with listening(made(cluster)) as server:
        write_lock_file(cluster, os.getpid(), "starting")
        then(server.close)
        assert not cluster.join(deadline=soon())


def test_a_server_that_does_not_get_ready_is_waited_for_no_longer_than_said(cluster: Cluster) -> None:
    with listening(made(cluster)):
        write_lock_file(cluster, os.getpid(), "starting")
        with pytest.raises(DatabaseError, match="still coming up"):
            cluster.join(deadline=time.monotonic() + 0.01)


def test_another_server_at_the_socket_is_named_and_not_joined(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SETTLE_SECONDS", -1.0)
    with listening(made(cluster)):
        for state in ("starting", "ready"):
            write_lock_file(cluster, 4_711, state)
            with pytest.raises(ConfigurationError, match=rf"\(process {os.getpid()}\), not that of {cluster.data}"):
                cluster.join(deadline=soon())
        (cluster.data / "postmaster.pid").unlink()
        with pytest.raises(ConfigurationError, match=f"kill -INT {os.getpid()}`"):
            cluster.join(deadline=soon())


def test_a_server_that_is_ready_and_does_not_answer_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLE_SECONDS", -1.0)
    made(cluster)
    with running(cluster) as server:
        write_lock_file(cluster, server.pid)
        with pytest.raises(ConfigurationError, match=rf"process {server.pid} but doesn't answer in {cluster.sockets}"):
            cluster.join(deadline=soon())
        # One that is on its way up or out doesn't answer either.
        for state in ("starting", "stopping"):
            write_lock_file(cluster, server.pid, state)
            with pytest.raises(DatabaseError, match="still coming up"):
                cluster.join(deadline=time.monotonic() + 0.01)


def test_the_programs_of_a_home_are_those_of_its_version(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.major == 18
    assert replace(cluster, data=tmp_path / "pg9").major == 9
    assert cluster.log == cluster.base / "server.log"
    assert stat.S_ISDIR(cluster.base.stat().st_mode)
