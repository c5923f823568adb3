from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.embedded.accounts import Account, own_account
from ironforge_cli.db.embedded.folders import (
    explained,
    make_home,
    make_private_folder,
    refuse_network_file_system,
    socket_folder,
    write_private_file,
)
from ironforge_cli.errors import ConfigurationError
from tests.db.embedded_playground import IS_ROOT
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Generator

as_root = pytest.mark.skipif(not IS_ROOT, reason="only root may give folders away")
SOMEBODY = Account(name="somebody", uid=54_321, gid=54_322, named=False, borrowed=True)


@pytest.fixture
def open_to_all() -> Generator[Path]:
    """A folder that every account can enter."""
    with open_folder() as folder:
        yield folder


def seen(path: Path) -> tuple[int, int]:
    """Whose a folder is, and who else may do what in it."""
    status = path.lstat()
    return status.st_uid, stat.S_IMODE(status.st_mode)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "may not be used by"),
        (errno.EPERM, "may not be used by"),
        (errno.EOPNOTSUPP, "has no locks"),
        (errno.ENOLCK, "has no locks"),
        (errno.EROFS, "read-only"),
        (errno.EDQUOT, "larger disk"),
        (errno.EIO, rf"\({os.strerror(errno.EIO)}\)"),
    ],
)
def test_what_the_system_refuses_names_the_home_where_it_names_no_file(number: int, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"/home/of/it.*{words}"), explained(Path("/home/of/it")):
        raise OSError(number, os.strerror(number))


def test_what_the_system_does_not_number_is_said_as_it_was() -> None:
    with pytest.raises(ConfigurationError, match=r"can't use /home/of/it \(odd\)"), explained(Path("/home/of/it")):
        raise OSError("odd")


def test_only_a_borrowed_account_is_asked_whether_it_reaches_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(_: Account, __: Path) -> bool:
        return False

    monkeypatch.setattr(Account, "can_reach", nowhere)
    make_home(tmp_path / "new" / "home", account=own_account())
    assert seen(tmp_path / "new" / "home") == (os.geteuid(), 0o700)
    with pytest.raises(ConfigurationError, match="refuses to run as root"):
        make_home(tmp_path / "other" / "home", account=SOMEBODY)
    assert not (tmp_path / "other").exists()


def test_a_new_home_is_private_and_what_leads_to_it_is_not(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        make_home(tmp_path / "new" / "home", account=own_account())
    finally:
        os.umask(before)
    assert seen(tmp_path / "new" / "home") == (os.geteuid(), 0o700)
    assert seen(tmp_path / "new") == (os.geteuid(), 0o755)
    (tmp_path / "new" / "home").chmod(0o750)
    make_home(tmp_path / "new" / "home", account=own_account())
    assert seen(tmp_path / "new" / "home") == (os.geteuid(), 0o750)


@pytest.mark.parametrize("name", ["a\nb", "file"])
def test_a_home_that_can_be_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"line break|not a folder"):
        make_home(tmp_path / name, account=own_account())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@as_root
def test_what_root_makes_for_an_account_is_that_ones_and_the_way_to_it_is_open(open_to_all: Path) -> None:
    home = open_to_all / "new" / "folders" / "home"
    before = os.umask(0o077)
    try:
        make_home(home, account=SOMEBODY)
    finally:
        os.umask(before)
    assert seen(home) == (SOMEBODY.uid, 0o700)
    assert seen(home.parent) == seen(home.parent.parent) == (0, 0o755)
    assert seen(open_to_all) == (0, 0o711)


@as_root
@pytest.mark.parametrize(("mode", "content"), [(0o711, "file"), (0o711, None)])
def test_a_home_of_roots_that_an_account_can_enter_is_left_as_it_is(
    open_to_all: Path, mode: int, content: str | None
) -> None:
    home = open_to_all / "home"
    home.mkdir()
    home.chmod(mode)
    if content:
        (home / content).touch()
    make_home(home, account=SOMEBODY)
    assert seen(home) == (0, mode)


@as_root
def test_an_empty_home_that_only_root_could_enter_becomes_the_accounts(open_to_all: Path) -> None:
    home = open_to_all / "home"
    home.mkdir(mode=0o700)
    make_home(home, account=SOMEBODY)
    assert seen(home) == (SOMEBODY.uid, 0o700)


@as_root
@pytest.mark.parametrize("reason", ["not empty", "another's", "below a private folder"])
def test_a_home_that_an_account_can_not_enter_is_refused_as_it_is(open_to_all: Path, reason: str) -> None:
    home = open_to_all / "way" / "home"
    home.mkdir(parents=True)
    home.chmod(0o700)
    match reason:
        case "not empty":
            (home / "file").touch()
        case "another's":
            os.chown(home, 54_000, 54_000)
        case _:
            home.parent.chmod(0o700)
    before = seen(home), seen(home.parent)
    closed = home.parent if reason == "below a private folder" else home
    with pytest.raises(ConfigurationError, match=f"can't enter {closed} on the way to {home}") as refused:
        make_home(home, account=SOMEBODY)
    assert (f"chown 54321 {home}" in str(refused.value)) is (closed == home)
    assert ("Either leave it so and set" in str(refused.value)) is (closed != home)
    assert (seen(home), seen(home.parent)) == before
    if reason == "below a private folder":
        with pytest.raises(ConfigurationError, match=f"can't enter {closed} on the way to {home}/new/one"):
            make_home(home / "new" / "one", account=SOMEBODY)
        assert list(home.iterdir()) == []


def test_a_private_folder_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "run", account=own_account())
        make_private_folder(tmp_path / "run", account=own_account())
    finally:
        os.umask(before)
    assert seen(tmp_path / "run") == (os.geteuid(), 0o700)


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o704, 0o720, 0o755])
def test_a_folder_that_is_open_to_anybody_else_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(mode)
    with pytest.raises(ConfigurationError, match=f"chmod 700 {tmp_path}/run`"):
        make_private_folder(tmp_path / "run", account=own_account())
    assert seen(tmp_path / "run") == (os.geteuid(), mode)


def test_a_link_is_followed_to_the_data_alone(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    make_private_folder(tmp_path / "link", account=own_account(), may_be_link=True)
    with pytest.raises(ConfigurationError, match="it is not a folder"):
        make_private_folder(tmp_path / "link", account=own_account())
    (tmp_path / "file").touch(mode=0o600)
    with pytest.raises(ConfigurationError, match="it is not a folder"):
        make_private_folder(tmp_path / "file", account=own_account(), may_be_link=True)


@as_root
def test_a_private_folder_is_the_accounts_and_an_empty_one_of_roots_becomes_it(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "new", account=SOMEBODY)
    assert seen(tmp_path / "new") == (SOMEBODY.uid, 0o700)
    (tmp_path / "roots").mkdir(mode=0o700)
    make_private_folder(tmp_path / "roots", account=SOMEBODY)
    assert seen(tmp_path / "roots") == (SOMEBODY.uid, 0o700)
    (tmp_path / "full").mkdir(mode=0o700)
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ConfigurationError, match=rf"full belongs to 'root'.*chown -R 54321 {tmp_path}/full"):
        make_private_folder(tmp_path / "full", account=SOMEBODY)
    os.chown(tmp_path / "full", 54_000, 54_000)
    with pytest.raises(ConfigurationError, match="full belongs to '54000'"):
        make_private_folder(tmp_path / "full", account=SOMEBODY)
    os.chown(tmp_path / "roots", 54_000, 54_000)
    # An empty one of another account's is that one's, too.
    with pytest.raises(ConfigurationError, match="roots belongs to '54000'"):
        make_private_folder(tmp_path / "roots", account=SOMEBODY)


@as_root
def test_a_private_file_is_the_accounts(open_to_all: Path) -> None:
    base = open_to_all / "base"
    SOMEBODY.make_folder(base)
    write_private_file(base / "user.conf", "x", account=SOMEBODY)
    assert seen(base / "user.conf") == (SOMEBODY.uid, 0o600)


@as_root
def test_an_empty_folder_of_roots_that_a_link_of_an_accounts_leads_to_stays_roots(open_to_all: Path) -> None:
    home, precious = open_to_all / "home", open_to_all / "precious"
    SOMEBODY.make_folder(home)
    precious.mkdir(mode=0o700)
    (home / "postgres").symlink_to(precious)
    with pytest.raises(ConfigurationError, match="belongs to 'root'"):
        make_private_folder(home / "postgres", account=SOMEBODY, may_be_link=True)
    assert precious.stat().st_uid == 0


def test_a_private_file_is_replaced_whole_also_by_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "ironforge.conf"
    path.write_text("older and longer", encoding="utf-8")
    path.chmod(0o644)
    (tmp_path / "ironforge.conf.new").write_text("left by one who was killed", encoding="utf-8")
    write_private_file(path, "caf\udcff", account=own_account())
    assert path.read_bytes() == b"caf\xff"
    assert seen(path) == (os.geteuid(), 0o600)
    assert [file.name for file in tmp_path.iterdir()] == ["ironforge.conf"]


@pytest.mark.parametrize("character", [",", "'", '"', "\\", "%", "\x01", "\udcff"])
def test_a_path_that_a_connection_string_can_not_carry_is_not_the_sockets(character: str) -> None:
    base = Path(f"/srv/a{character}b/postgres")
    assert socket_folder(base, uid=7).parent == Path("/tmp")  # noqa: S108 - it is private, and checked
    assert socket_folder(base, uid=7) != socket_folder(Path("/srv/a;b,/postgres"), uid=7)


def test_a_sockets_path_may_be_as_long_as_the_system_takes() -> None:
    longest = 107 - len("/postgres/run/.s.PGSQL.5432") - 1
    assert socket_folder(Path("/" + "x" * longest) / "postgres", uid=7).name == "run"
    assert socket_folder(Path("/" + "x" * (longest + 1)) / "postgres", uid=7).parent == Path("/tmp")  # noqa: S108 - the same


def test_a_folder_is_on_the_disk_that_its_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/mnt/nas")
    with pytest.raises(ConfigurationError, match=r"network file system \(nfs4\)"):
        refuse_network_file_system(tmp_path / "link" / "home", mounts="x / ext4 rw 0 0\nnas:/e /mnt/nas nfs4 rw 0 0\n")
