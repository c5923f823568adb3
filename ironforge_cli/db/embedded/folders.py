"""The folders and files of the embedded server, and what has to be true of them before it may use them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.embedded.accounts import account_name
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.ownership import owner_on_the_way, owners_rights

if TYPE_CHECKING:
    from collections.abc import Generator

    from ironforge_cli.db.embedded.accounts import Account

PORT: Final = 5432  # It names the socket; nothing listens on TCP.
SOCKET_NAME: Final = f".s.PGSQL.{PORT}"
_PRIVATE: Final = 0o700
# `sockaddr_un.sun_path` less its final NUL.
_LONGEST_SOCKET_PATH: Final = 103 if sys.platform == "darwin" else 107
# libpq splits host names at commas; the others need care in a URL, a connection string or a settings file.
_AWKWARD_CHARACTERS: Final = re.compile(r"""[,'"\\%\x00-\x1f\ud800-\udfff]""")
_SHORT_ROOT: Final = Path("/tmp")  # noqa: S108 - the folder made in it is private, and checked; TMPDIR differs in cron
_NETWORK_FILE_SYSTEMS: Final = frozenset(
    [
        *("9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs"),
        *("nfs", "nfs4", "orangefs", "smb", "smb2", "smb3", "smbfs", "webdav"),
        *("fuse.ceph", "fuse.curlftpfs", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    ]
)
_ELSEWHERE: Final = "Set IRONFORGE_HOME to a folder"


@contextmanager
def explained(home: Path) -> Generator[None]:
    """Turn what the system refuses within `home` into a `ConfigurationError` that says what to do."""
    try:
        yield
    except OSError as error:
        place = error.filename or home
        match error.errno:
            case errno.EACCES | errno.EPERM:
                message = (
                    f"{place} may not be used by {account_name(os.geteuid())!r}. {_ELSEWHERE} of this user's own, "
                    "or run ironforge as the user whose folder it is."
                )
            case errno.EROFS:
                message = f"{place} is on a read-only file system. {_ELSEWHERE} that can be written."
            case errno.ENOSPC | errno.EDQUOT:
                message = f"There is no space left for {place}. Make room, or set IRONFORGE_HOME to a larger disk."
            case errno.ENOLCK | errno.EOPNOTSUPP:
                message = f"The file system of {home} has no locks ({error.strerror}). {_ELSEWHERE} on a local disk."
            case _:
                message = (
                    f"The embedded database can't use {place} ({error.strerror or error}). Put that right, or set "
                    "IRONFORGE_HOME to another folder."
                )
        raise ConfigurationError(message) from error


def make_home(home: Path, *, account: Account) -> None:
    """Make sure that `home` is a folder which `account` can enter; a new one is 0700 and the account's own.

    Raises `ConfigurationError`, with nothing changed, when the account can't get there.
    """
    if "\n" in str(home):
        raise ConfigurationError("IRONFORGE_HOME holds a line break. Set it to a folder without one.")
    if not home.exists():
        _make_new_home(home, account=account)
    if not home.is_dir():
        raise ConfigurationError(f"{home} is not a folder. Remove it, or set IRONFORGE_HOME to a folder.")
    if not account.borrowed or account.can_reach(home):
        return
    # An empty home of root's own that nobody else can enter is like one that root just made.
    if account.can_reach(home.parent) and _handed_over(home, account=account):
        return
    _refuse_unreachable(home, home=home, account=account)


def _make_new_home(home: Path, *, account: Account) -> None:
    missing = [home]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    first_there = missing[-1].parent
    if account.borrowed and not account.can_reach(first_there):
        _refuse_unreachable(first_there, home=home, account=account)
    with owners_rights(first_there):
        for parent in reversed(missing[1:]):
            parent.mkdir(exist_ok=True)
            if account.borrowed:
                # Root's umask must not shut the account out of a folder that leads to its own.
                parent.chmod(0o755)
    with suppress(FileExistsError):
        account.make_folder(home)


def _refuse_unreachable(folder: Path, *, home: Path, account: Account) -> None:
    closed = next((path for path in (*reversed(folder.parents), folder) if not account.can_reach(path)), folder)
    remedy = f"run `chown {account.uid} {closed}` or `chmod a+x {closed}`" if closed == home else "leave it so"
    raise ConfigurationError(
        f"PostgreSQL refuses to run as root, so it runs as account {account.name!r}, which can't enter {closed} on "
        f"the way to {home}. Either {remedy} and set IRONFORGE_HOME to a folder whose parents everybody can enter, "
        "such as /var/lib/ironforge, or set IRONFORGE_PG_USER to an account that can enter it. Nothing was changed."
    )


def make_private_folder(folder: Path, *, account: Account, may_be_link: bool = False) -> None:
    """Make sure that `folder` exists, belongs to `account`, and lets nobody else in.

    Raises `ConfigurationError` otherwise. `may_be_link` allows a link to such a folder, as to a larger disk.
    """
    with suppress(FileExistsError):
        account.make_folder(folder)
    status = folder.stat(follow_symlinks=may_be_link)
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{folder} is in the way: it is not a folder. Remove it.")
    if account.borrowed and status.st_uid == 0 and _handed_over(folder, account=account):
        # A former version was killed before it could hand it over.
        status = folder.stat()
    if status.st_uid != account.uid:
        owner = account_name(status.st_uid)
        raise ConfigurationError(
            f"{folder} belongs to {owner!r}, but the embedded PostgreSQL runs as {account.name!r}. Run ironforge as "
            f"{owner!r}, or as root `chown -R {account.uid} {folder}`, or set IRONFORGE_HOME to another folder."
        )
    if status.st_mode & 0o077:
        raise ConfigurationError(
            f"{folder} is open to other users, and whoever reaches it can use the database. "
            f"Run `chmod 700 {folder}` if what is in it can be trusted, else remove it."
        )


def _handed_over(folder: Path, *, account: Account) -> bool:
    """Give an empty folder of root's to the account; False, with nothing changed, where it is anything else."""
    if owner_on_the_way(folder) is not None:
        # Somebody else decides what is found there, and a moment later it may be another folder.
        return False
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(opened).st_uid or os.listdir(opened):  # noqa: PTH208 - a descriptor has no path
            return False
        os.fchown(opened, account.uid, account.gid)
    finally:
        os.close(opened)
    return True


def socket_folder(base: Path, *, uid: int) -> Path:
    """Where the server's socket lies: `run` in `base`, or a folder in `/tmp` when that path can't serve.

    The fallback is named for the user and the home's real path, so that every process of them finds it.

    >>> socket_folder(Path("/var/lib/ironforge/postgres"), uid=7).as_posix()
    '/var/lib/ironforge/postgres/run'
    >>> socket_folder(Path("/srv/a,b/postgres"), uid=7).as_posix()
    '/tmp/ironforge-7-a22b00c70458'
    """
    folder = base / "run"
    too_long = len(os.fsencode(folder / SOCKET_NAME)) > _LONGEST_SOCKET_PATH
    if not too_long and not _AWKWARD_CHARACTERS.search(str(folder)):
        return folder
    name = hashlib.sha256(os.fsencode(base.parent.resolve())).hexdigest()[:12]
    return _SHORT_ROOT / f"ironforge-{uid}-{name}"


def write_private_file(path: Path, text: str, *, account: Account) -> None:
    """Write a file of the account's, readable by it alone: whole or not at all, and never through a link."""
    draft = path.with_name(f"{path.name}.new")
    with account.acting():
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        draft.rename(path)


def table_of_mounts() -> str:
    """What is mounted where, in the words of Linux or macOS."""
    if sys.platform == "linux":
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    return subprocess.run(["/sbin/mount"], check=True, capture_output=True, text=True).stdout


def refuse_network_file_system(folder: Path, *, mounts: str) -> None:
    """Raise `ConfigurationError` when `folder` (or where it will be made) lies on a network file system.

    Locks and the order of writes can't be relied upon there. `mounts` is a table of mounts.
    """
    kind = file_system_of(folder.resolve(), mounts=mounts)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"{folder} is on a network file system ({kind}), where a database would be damaged sooner or later. "
            f"{_ELSEWHERE} on a local disk, or IRONFORGE_DATABASE_URL to a PostgreSQL server."
        )


def file_system_of(folder: Path, *, mounts: str) -> str | None:
    r"""The type of the file system that holds the absolute path `folder`, by Linux's or macOS's table of mounts.

    >>> linux = "/dev/vda / ext4 rw 0 0\nnas:/e /home/me/my\\040files nfs4 rw 0 0\n"
    >>> file_system_of(Path("/home/me/my files/x"), mounts=linux)
    'nfs4'
    >>> macos = "/dev/disk1 on / (apfs, local)\n//me@nas/x on /Volumes/x (smbfs, nodev)\n"
    >>> file_system_of(Path("/Volumes/x/y"), mounts=macos)
    'smbfs'
    """
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        macos = re.fullmatch(r".* on (/.*) \((\w+)[^()]*\)", line)
        if macos:
            place, kind = macos[1], macos[2]
        elif line.count(" ") >= 3:  # noqa: PLR2004 - device, place, type, options
            _, place, kind, _ = line.split(" ", 3)
            place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place)
        else:
            continue
        # The later of two mounts on one place hides the earlier.
        if folder.is_relative_to(place) and (found is None or len(place) >= found[0]):
            found = (len(place), kind)
    return found[1] if found else None
