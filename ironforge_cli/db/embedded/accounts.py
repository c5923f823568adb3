"""The account that PostgreSQL's programs run as, and how they are run."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
from contextlib import nullcontext
from dataclasses import dataclass
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Final

from ironforge_cli.errors import ConfigurationError
from ironforge_cli.ownership import acting_as, owner_on_the_way, owners_rights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

_PRIVATE: Final = 0o700
_USUAL_ACCOUNTS: Final = ("ironforge", "postgres", "nobody")
# Everything else stays behind: PG*, locales, and the secrets of whoever started the server.
_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Account:
    """Whom PostgreSQL runs as: this process's own user or, for root, somebody else.

    `named` is False for a user id that the system has no name for; `borrowed` is True when this process is root and
    the account another one.
    """

    name: str
    uid: int
    gid: int
    named: bool
    borrowed: bool

    def acting(self) -> AbstractContextManager[None]:
        """Use files as the account until the block ends: what is made is its own, and links lead where it may go."""
        return acting_as(self.uid, self.gid) if self.borrowed else nullcontext()

    def make_folder(self, folder: Path) -> None:
        """Make a private folder of the account's, also where the account itself could make none.

        Raises `FileExistsError` where there is something of that name.
        """
        if not self.borrowed:
            folder.mkdir(mode=_PRIVATE)
            return
        try:
            with self.acting():
                folder.mkdir(mode=_PRIVATE)
        except PermissionError:
            self._make_for_account(folder)

    def _make_for_account(self, folder: Path) -> None:
        """Make a folder as root and hand it over, under another name until it is the account's."""
        with owners_rights(folder.parent):
            parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        draft = f"tmp-{folder.name}-{token_hex(6)}"
        try:
            os.mkdir(draft, _PRIVATE, dir_fd=parent)
            made = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                # Whoever owns the parent can put another there meanwhile: only an empty one of root's is given.
                if os.fstat(made).st_uid != os.geteuid() or os.listdir(made):  # noqa: PTH208 - a descriptor has no path
                    raise PermissionError(errno.EPERM, "it was swapped while it was made", str(folder))
                os.fchown(made, self.uid, self.gid)
            finally:
                os.close(made)
            if _is_there(folder.name, parent=parent):
                os.rmdir(draft, dir_fd=parent)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
            os.rename(draft, folder.name, src_dir_fd=parent, dst_dir_fd=parent)
        finally:
            os.close(parent)

    def can_reach(self, path: Path) -> bool:
        """Whether the account may enter the folder, or execute the program, `path`."""
        if not self.borrowed:
            return os.access(path, os.X_OK)
        # The kernel is asked as that account: permission bits alone know nothing of access lists.
        return self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", path], environment={}, seconds=30).returncode == 0

    def run(
        self, command: Sequence[str | Path], *, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as the account to its end, and capture what it says.

        Raises `subprocess.TimeoutExpired` after `seconds`.
        """
        return subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            cwd="/",
            env=_server_environment(environment),
            start_new_session=True,
            umask=0o077,
            user=self.uid if self.borrowed else None,
            group=self.gid if self.borrowed else None,
            extra_groups=self._groups(),
        )

    def launch(
        self, command: Sequence[str | Path], *, environment: Mapping[str, str], log: IO[bytes], extra: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a program as the account in a session of its own, where no Ctrl-C and no hang-up reaches it.

        `extra` are variables that the program gets besides those passed on from `environment`.
        """
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_server_environment(environment) | dict(extra),
            start_new_session=True,
            umask=0o077,
            user=self.uid if self.borrowed else None,
            group=self.gid if self.borrowed else None,
            extra_groups=self._groups(),
        )

    def _groups(self) -> Iterable[int] | None:
        if not self.borrowed:
            return None
        return os.getgrouplist(self.name, self.gid) if self.named else [self.gid]


def own_account() -> Account:
    """The account of this process, root included."""
    return _account(os.geteuid(), os.getegid(), borrowed=False)


def choose_account(setting: str | None, *, home: Path, base: Path) -> Account:
    """The account to run as: this user's own; for root `setting`, the owner of the data or of the home, or a usual one.

    A home that is not there yet, in somebody's folder, is that one's.

    `base` is the folder of everything embedded in `home`; either may be missing. Raises `ConfigurationError` when
    `setting` can't be used, or when there is no account.
    """
    if os.geteuid() != 0:
        return own_account()
    owner = _owner(base)
    if setting is not None:
        return _account_set(setting, owner=owner, base=base)
    owner = owner or _owner(home) or _owner_of_the_way(home)
    if owner is not None:
        return owner
    for name in _USUAL_ACCOUNTS:
        account = _account_named(name)
        if account is not None and account.uid != 0:
            return account
    raise ConfigurationError(
        "PostgreSQL refuses to run as root, and none of the accounts "
        f"{', '.join(_USUAL_ACCOUNTS)} exists. Set IRONFORGE_PG_USER to an account that does, run ironforge as an "
        "ordinary user, or set IRONFORGE_DATABASE_URL to a server of your own."
    )


def _account_set(setting: str, *, owner: Account | None, base: Path) -> Account:
    account = _account_named(setting)
    if account is None:
        raise ConfigurationError(
            f"IRONFORGE_PG_USER is {setting!r}, but there is no such account. Correct it, or leave it unset."
        )
    if account.uid == 0:
        raise ConfigurationError(
            f"IRONFORGE_PG_USER is {setting!r}, but PostgreSQL refuses to run as root. Name an ordinary account."
        )
    if owner is not None and owner.uid != account.uid:
        raise ConfigurationError(
            f"IRONFORGE_PG_USER is {setting!r}, but {base} belongs to {owner.name!r}. Leave IRONFORGE_PG_USER unset, "
            f"or run `ironforge db stop` and then `chown -R {account.uid}:{account.gid} {base}`."
        )
    return account


def account_name(uid: int) -> str:
    """The name of a user id, or the number where the system has no name for it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _account(uid: int, gid: int, *, borrowed: bool) -> Account:
    name = account_name(uid)
    return Account(name=name, uid=uid, gid=gid, named=name != str(uid), borrowed=borrowed)


def _account_named(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, named=True, borrowed=True)


def _owner(folder: Path) -> Account | None:
    """Who owns `folder`, if it exists and that isn't root."""
    try:
        status = folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _account(status.st_uid, status.st_gid, borrowed=True) if status.st_uid else None


def _owner_of_the_way(home: Path) -> Account | None:
    owner = owner_on_the_way(home)
    return None if owner is None else _account(owner.uid, owner.gid, borrowed=True)


def _is_there(name: str, *, parent: int) -> bool:
    try:
        os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return False
    return True


def _server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in _PASSED_ON if name in environment} | {"LC_ALL": "C"}
