from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ironforge_cli.db.embedded.accounts import Account, choose_account, own_account
from ironforge_cli.errors import ConfigurationError
from tests.db.embedded_playground import IS_ROOT
from tests.servers import open_folder

NOWHERE = Path("/nowhere/at/all")
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root may give folders away")
CALLER = {
    "PATH": "/bin:/usr/bin",
    "LD_LIBRARY_PATH": "/opt/lib",
    "DYLD_LIBRARY_PATH": "/opt/mac",
    "DYLD_FALLBACK_LIBRARY_PATH": "/opt/mac2",
    "LC_ALL": "tr_TR.UTF-8",
    "LANG": "tr_TR.UTF-8",
    "PGDATA": "/nowhere",
    "HOME": "/root",
    "BLIZZARD_CLIENT_SECRET": "hidden",
}
SEEN = {
    "PATH": "/bin:/usr/bin",
    "LD_LIBRARY_PATH": "/opt/lib",
    "DYLD_LIBRARY_PATH": "/opt/mac",
    "DYLD_FALLBACK_LIBRARY_PATH": "/opt/mac2",
    "LC_ALL": "C",
}
TELL = "umask; pwd; cut -d' ' -f1,6 /proc/$$/stat; cat; env; echo complaint >&2"


def told(output: str) -> tuple[str, str, dict[str, str]]:
    """The mask of new files, the folder, and the environment of a program that told them."""
    mask, folder, ids, *environment = output.splitlines()
    process, session = ids.split()
    # In a session of its own, no Ctrl-C and no hang-up of the caller's terminal reaches it.
    assert session == process
    variables = dict(line.split("=", 1) for line in environment if "=" in line)
    return (
        mask,
        folder,
        {name: value for name, value in variables.items() if name not in {"PWD", "SHLVL", "_", "OLDPWD"}},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's session in a file")
def test_a_program_sees_where_programs_and_libraries_are_and_nothing_else_of_the_callers() -> None:
    done = own_account().run(["/bin/sh", "-c", TELL], environment=CALLER, seconds=30)
    assert told(done.stdout) == ("0077", "/", SEEN)
    assert (done.stderr, done.returncode) == ("complaint\n", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's session in a file")
def test_a_program_that_is_launched_sees_the_same_and_what_is_added(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        program = own_account().launch(
            ["/bin/sh", "-c", TELL], environment=CALLER, log=log, extra={"PG_GRANDPARENT_PID": "7"}
        )
        assert program.wait(timeout=30) == 0
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert told(said) == ("0077", "/", {**SEEN, "PG_GRANDPARENT_PID": "7"})
    assert "complaint" in said


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        own_account().run(["/bin/sleep", "60"], environment=CALLER, seconds=0.01)


def test_what_cannot_be_read_as_text_is_no_failure() -> None:
    done = own_account().run(["/bin/sh", "-c", r"printf '\377x'; exit 3"], environment=CALLER, seconds=30)
    assert (done.stdout, done.returncode) == ("\ufffdx", 3)


def test_a_process_reaches_what_it_may_execute(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o755)
    account = own_account()
    assert account.can_reach(program)
    assert account.can_reach(tmp_path)
    program.chmod(0o644)
    assert not account.can_reach(program)
    assert not account.can_reach(tmp_path / "missing")


@as_root
def test_another_account_reaches_what_that_one_may_execute() -> None:
    nobody = choose_account("nobody", home=NOWHERE, base=NOWHERE)
    assert nobody.borrowed
    with open_folder() as folder:
        program = folder / "program"
        program.touch(mode=0o700)
        assert not nobody.can_reach(program)
        os.chown(program, nobody.uid, nobody.gid)
        assert nobody.can_reach(program)
        done = nobody.run(["/bin/sh", "-c", "id -u; id -g; id -G"], environment=CALLER, seconds=30)
        groups = sorted(os.getgrouplist("nobody", nobody.gid))
        uid, gid, all_groups = done.stdout.splitlines()
        assert (int(uid), int(gid), sorted(map(int, all_groups.split()))) == (nobody.uid, nobody.gid, groups)


def test_a_program_of_another_account_keeps_none_of_the_callers_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, object, object]] = []

    def start(*_: object, user: object, group: object, extra_groups: object, **__: object) -> None:
        started.append((user, group, extra_groups))

    def groups(name: str, gid: int) -> list[int]:
        assert name == "somebody"
        return [gid, 7]

    monkeypatch.setattr(subprocess, "run", start)
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(os, "getgrouplist", groups)
    named = Account(name="somebody", uid=54_321, gid=54_322, named=True, borrowed=True)
    for account in (own_account(), named, replace(named, name="54321", named=False)):
        account.run(["x"], environment={}, seconds=1)
        with (tmp_path / "log").open("wb") as log:
            account.launch(["x"], environment={}, log=log, extra={})
    assert started[::2] == started[1::2]
    assert started[::2] == [(None, None, None), (54_321, 54_322, [54_322, 7]), (54_321, 54_322, [54_322])]


@as_root
def test_what_is_made_while_acting_as_an_account_is_that_ones_and_what_it_may_not_touch_stays() -> None:
    nobody = choose_account("nobody", home=NOWHERE, base=NOWHERE)
    with open_folder() as folder:
        theirs, of_root = folder / "theirs", folder / "root's"
        nobody.make_folder(theirs)
        assert (theirs.stat().st_uid, theirs.stat().st_gid, theirs.stat().st_mode & 0o777) == (
            nobody.uid,
            nobody.gid,
            0o700,
        )
        of_root.touch(mode=0o600)
        (theirs / "link").symlink_to(of_root)
        with nobody.acting():
            (theirs / "file").touch()
            with pytest.raises(PermissionError):
                (theirs / "link").write_text("x", encoding="ascii")
        assert ((theirs / "file").stat().st_uid, (theirs / "file").stat().st_gid) == (nobody.uid, nobody.gid)
        assert of_root.stat().st_uid == 0
        with pytest.raises(FileExistsError):
            nobody.make_folder(theirs)
        assert sorted(path.name for path in folder.iterdir()) == ["root's", "theirs"]


@as_root
def test_a_folder_that_is_swapped_while_root_makes_it_for_an_account_is_not_handed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody = choose_account("nobody", home=NOWHERE, base=NOWHERE)
    with open_folder() as folder:
        home, precious = folder / "home", folder / "precious"
        # Of somebody else than the server's account, as with IRONFORGE_PG_USER.
        home.mkdir(mode=0o755)
        os.chown(home, 54_321, 54_321)
        precious.mkdir(mode=0o700)
        make = os.mkdir

        def swapped(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            make(path, mode, dir_fd=dir_fd)
            if dir_fd is not None:
                (home / path).rename(home / "away")
                (home / path).symlink_to(precious)

        monkeypatch.setattr(os, "mkdir", swapped)
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            nobody.make_folder(home / "postgres")
        assert precious.stat().st_uid == 0
        assert not (home / "postgres").exists()


def test_who_is_not_root_runs_the_server_as_itself_whatever_is_set_and_whoever_owns_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    monkeypatch.setattr(os, "getegid", lambda: 54_322)
    for setting in (None, "root", "no-such-account"):
        chosen = choose_account(setting, home=tmp_path, base=tmp_path / "postgres")
        assert chosen == Account(name="54321", uid=54_321, gid=54_322, named=False, borrowed=False)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The accounts of a system, by their ids, as root sees them."""
    there = {"root": 0, "nobody": 65_534}

    def entry(name: str, uid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", uid, uid + 1, "", "/", "/bin/sh"))

    def by_name(name: str) -> pwd.struct_passwd:
        return entry(name, there[name])

    def by_id(uid: int) -> pwd.struct_passwd:
        names = {its: name for name, its in there.items()}
        return entry(names[uid], uid)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", by_name)
    monkeypatch.setattr(pwd, "getpwuid", by_id)
    return there


@pytest.mark.skipif(os.geteuid() != 0, reason="the home of an ordinary account is that account's, which goes first")
def test_of_the_usual_accounts_the_first_is_chosen_that_exists_and_is_not_root(
    tmp_path: Path, known: dict[str, int]
) -> None:
    home = tmp_path / "home"

    def chosen() -> tuple[str, int, int, bool]:
        account = choose_account(None, home=home, base=home / "postgres")
        assert account.borrowed
        return account.name, account.uid, account.gid, account.named

    assert chosen() == ("nobody", 65_534, 65_535, True)
    known["postgres"] = 115
    assert chosen() == ("postgres", 115, 116, True)
    known["ironforge"] = 999
    assert chosen() == ("ironforge", 999, 1_000, True)
    known["ironforge"] = 0
    assert chosen() == ("postgres", 115, 116, True)
    known.clear()
    with pytest.raises(
        ConfigurationError, match=r"none of the accounts ironforge, postgres, nobody exists.*IRONFORGE_PG_USER"
    ):
        chosen()


@as_root
def test_the_owner_of_the_data_comes_before_that_of_the_home_and_both_before_the_usual_ones(
    tmp_path: Path, known: dict[str, int]
) -> None:
    known["me"] = 54_321
    home, base = tmp_path / "home", tmp_path / "home" / "postgres"
    base.mkdir(parents=True)
    assert choose_account(None, home=home, base=base).name == "nobody"
    os.chown(home, 54_321, 54_322)
    chosen = choose_account(None, home=home, base=base)
    assert chosen == Account(name="me", uid=54_321, gid=54_322, named=True, borrowed=True)
    os.chown(base, 54_320, 54_320)
    chosen = choose_account(None, home=home, base=base)
    assert chosen == Account(name="54320", uid=54_320, gid=54_320, named=False, borrowed=True)


@as_root
def test_a_home_below_a_file_has_no_owner(tmp_path: Path, known: dict[str, int]) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    assert choose_account("nobody", home=home, base=home / "postgres").uid == known["nobody"]


@as_root
def test_the_account_that_is_set_may_differ_from_the_homes_owner_and_not_from_the_datas(
    tmp_path: Path, known: dict[str, int]
) -> None:
    known |= {"me": 54_321, "you": 54_320}
    home, base = tmp_path / "home", tmp_path / "home" / "postgres"
    base.mkdir(parents=True)
    os.chown(home, 54_321, 54_321)
    chosen = choose_account("you", home=home, base=base)
    assert chosen == Account(name="you", uid=54_320, gid=54_321, named=True, borrowed=True)
    os.chown(base, 54_321, 54_321)
    assert choose_account("me", home=home, base=base).uid == 54_321
    with pytest.raises(ConfigurationError, match=rf"belongs to 'me'.*chown -R 54320:54321 {base}`"):
        choose_account("you", home=home, base=base)
    with pytest.raises(ConfigurationError, match="there is no such account"):
        choose_account("somebody", home=home, base=base)
    known["toor"] = 0
    with pytest.raises(ConfigurationError, match="refuses to run as root"):
        choose_account("toor", home=home, base=base)
