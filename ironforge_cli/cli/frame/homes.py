"""What keeps an account out of its own home: files that root made there, as former versions did for it."""

from __future__ import annotations

import logging
import os
import pwd
import re
import shlex
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ironforge_cli.ownership import owner_on_the_way, owners_rights

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from ironforge_cli.ownership import Owner

log = logging.getLogger(__name__)

# Folders by their path in a home. What the server has in `postgres` is its account's.
_FOLDERS: Final = re.compile(r"locks|http|watch|(spool|quarantine)(/[a-z]{2})?")
# Files by their path, and how they begin: somebody can put a file of root's there under such a name, to be given it.
_EMPTY: Final = re.compile(rb"\Z")
_FILES: Final = (
    (re.compile(r"(locks|watch)/[\w-]+\.lock|http/requests\.ring\.lock|(spool|quarantine)/([a-z]{2}/)?\.lock"), _EMPTY),
    (re.compile(r"this-is-a-demo"), _EMPTY),
    (re.compile(r"(spool|quarantine)/[a-z]{2}/[\w-]+\.body"), re.compile(rb'\{"region":"[a-z]{2}","snapshot_time":')),
    (re.compile(r"spool/log-rows\.jsonl"), re.compile(rb'\Z|\{"table":"[a-z_]+"')),
    (re.compile(r"watch/[0-9a-f]+\.(json|new)"), re.compile(rb'\Z|\{"watch":"')),
    (re.compile(r"errors\.log(\.1)?"), re.compile(rb"\Z|\d{4}-\d\d-\d\dT\S+ ironforge ")),
    (re.compile(r"http/requests\.ring"), re.compile(rb"ironring")),
)
# What can be had again is taken away.
_EXPENDABLE: Final = re.compile(
    r"http/\w+\.sqlite(-wal|-shm|-journal)?|http/requests\.ring\.new|(spool|quarantine)/[a-z]{2}/\.tmp-\d+"
)
_SERVER: Final = "postgres"
_LONGEST_BEGINNING: Final = 200


def mend(home: Path) -> None:
    """As root, give to the home's owner what former versions made there as root; as anybody else, name what is others'.

    Nothing is touched but what is ironforge's by name and by content; the rest is named with the command that helps.
    """
    if os.geteuid() != 0:
        kept_out = [home / path for path in _others(home) if not os.access(home / path, os.W_OK)]
        _tell(home, kept_out, uid=os.geteuid(), gid=os.getegid())
        return
    owner = owner_on_the_way(home)
    if owner is None or not home.exists():
        return
    try:
        with _opened(home, owner=owner) as folder:
            given, left = _given_back(folder, owner=owner)
    except OSError as error:
        log.warning("What root made in %s could not be given to its owner (%s).", home, error.strerror or error)
        return
    if given:
        log.warning(
            "%s belongs to %r, but root had made %d files and folders there, such as %s; they are %r's now.",
            home,
            _name(owner.uid),
            len(given),
            home / given[0],
            _name(owner.uid),
        )
    _tell(home, [home / path for path in left], uid=owner.uid, gid=owner.gid)


def _tell(home: Path, paths: list[Path], *, uid: int, gid: int) -> None:
    if paths:
        named = " ".join(shlex.quote(str(path)) for path in paths[:5])
        log.warning(
            "In %s, which is %r's, %d files and folders are somebody else's: what needs them will fail. Run as root: "
            "chown -hR %d:%d %s%s",
            home,
            _name(uid),
            len(paths),
            uid,
            gid,
            named,
            " …" if len(paths) > 5 else "",  # noqa: PLR2004 - as many as were named
        )


def _others(home: Path) -> Iterator[str]:
    """Paths in a home that are not this user's, of what ironforge makes there."""
    with suppress(OSError), os.scandir(home) as found:
        below = [entry.name for entry in found if entry.name != _SERVER]
        while below:
            path = below.pop(0)
            with suppress(OSError):
                status = os.lstat(home / path)
                if status.st_uid != os.geteuid() and (_FOLDERS.fullmatch(path) or _is_file_of_ours(path)):
                    yield path
                if stat.S_ISDIR(status.st_mode) and _FOLDERS.fullmatch(path):
                    below += [f"{path}/{name}" for name in sorted(os.listdir(home / path))]  # noqa: PTH208 - names alone


def _is_file_of_ours(path: str) -> bool:
    return any(name.fullmatch(path) for name, _ in _FILES) or _EXPENDABLE.fullmatch(path) is not None


@contextmanager
def _opened(home: Path, *, owner: Owner) -> Generator[int]:
    """A descriptor of the home, with its owner's rights; one of root's in somebody's folder is that one's first."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    with owners_rights(home):
        is_roots = home.lstat().st_uid == 0
        descriptor = os.open(home.parent if is_roots else home, flags)
    try:
        if is_roots:
            inner = os.open(home.name, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
            known = all(
                name == _SERVER or _FOLDERS.fullmatch(name) or _is_file_of_ours(name)
                for name in os.listdir(descriptor)  # noqa: PTH208 - a descriptor has no path
            )
            if known and os.fstat(descriptor).st_uid == 0:
                os.fchown(descriptor, owner.uid, owner.gid)
        yield descriptor
    finally:
        os.close(descriptor)


def _given_back(folder: int, *, owner: Owner, below: str = "") -> tuple[list[str], list[str]]:
    """Give what is in a folder to the owner: what was given, and what was not, by path."""
    given: list[str] = []
    left: list[str] = []
    for name in sorted(os.listdir(folder)):
        path = f"{below}{name}"
        status = os.lstat(name, dir_fd=folder)
        is_folder = stat.S_ISDIR(status.st_mode) and _FOLDERS.fullmatch(path) is not None
        if not is_folder and (status.st_uid or path == _SERVER):
            continue
        if not is_folder and _EXPENDABLE.fullmatch(path):
            os.unlink(name, dir_fd=folder)
            given.append(path)
            continue
        # Whatever stands there by now, a link is not followed, and a pipe is not waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags | (os.O_DIRECTORY if is_folder else 0), dir_fd=folder)
        except OSError:
            left.append(path)
            continue
        try:
            if os.fstat(descriptor).st_uid == 0:
                if is_folder or _is_ours(descriptor, path):
                    os.fchown(descriptor, owner.uid, owner.gid)
                    given.append(path)
                else:
                    left.append(path)
            if is_folder:
                inner_given, inner_left = _given_back(descriptor, owner=owner, below=f"{path}/")
                given += inner_given
                left += inner_left
        finally:
            os.close(descriptor)
    return given, left


def _is_ours(descriptor: int, path: str) -> bool:
    """Whether an open file is what its name says: by its beginning, and with no second name elsewhere."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return False
    beginning = os.pread(descriptor, _LONGEST_BEGINNING, 0)
    return any(name.fullmatch(path) and begins.match(beginning) for name, begins in _FILES)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
