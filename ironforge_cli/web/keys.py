"""Keys of those who may ask: a file of their hashes, read again when it changes. No key itself is kept anywhere.

A key is 32 random bytes, so that a plain SHA-256 of it tells nobody anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ironforge_cli.errors import ConfigurationError, NothingThereError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PREFIX: Final = "ironforge_"
"""What each key begins with, so that people and scanners of secrets know it."""
_BYTES: Final = 32
_LARGEST_FILE: Final = 1_000_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE: Final = re.compile(r"(?P<name>\S+) sha256:(?P<digest>[0-9a-f]{64}) (?P<made_on>\d{4}-\d{2}-\d{2})")
_HEAD: Final = "# Keys of the service, as hashes. `ironforge keys` writes this file: a name, the hash, the day.\n"


@dataclass(frozen=True, slots=True)
class Key:
    """Whose key it is, its hash and when it was made."""

    name: str
    digest: str
    made_on: str


def digest_of(key: str) -> str:
    """The hash of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def read(file: Path) -> tuple[Key, ...]:
    """The keys of a file, in its order. Raises `ConfigurationError` where it can't be read or is none of ours."""
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise ConfigurationError(
                f"The file of keys {file} is larger than any: name one that `ironforge keys` made."
            )
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"The file of keys {file} is not there. `ironforge keys add NAME` makes it, with a first key."
        ) from None
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"The file of keys {file} can't be read ({error}). Correct its path or rights."
        ) from None
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise ConfigurationError(
                f"Line {number} of the file of keys {file} is none of ours. Correct it, or make the key anew with "
                "`ironforge keys add`."
            )
        keys.append(Key(found["name"], found["digest"], found["made_on"]))
    return tuple(keys)


def add(file: Path, name: str, *, made_on: str, token: Callable[[int], str] = secrets.token_urlsafe) -> str:
    """Make a key, write its hash into the file, and return the key, which nobody can tell afterwards.

    Raises `UsageError` where the name is taken or can't be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} can't name a key: give letters, digits, dots, dashes and underscores, 64 at most.")
    keys = read(file) if file.exists() else ()
    if any(one.name == name for one in keys):
        raise UsageError(f"There is a key {name} already: revoke it first, or give another name.")
    key = PREFIX + token(_BYTES)
    _write(file, (*keys, Key(name, digest_of(key), made_on)))
    return key


def revoke(file: Path, name: str) -> None:
    """Take a key out of the file. Raises `NothingThereError` where it has none of that name."""
    keys = read(file)
    left = tuple(one for one in keys if one.name != name)
    if len(left) == len(keys):
        names = ", ".join(one.name for one in keys)
        raise NothingThereError(f"There is no key {name}{f': there are {names}' if names else ''}.")
    _write(file, left)


def _write(file: Path, keys: Sequence[Key]) -> None:
    lines = [f"{one.name} sha256:{one.digest} {one.made_on}\n" for one in keys]
    temporary: str | None = None
    try:
        # Made with 0600, and kept so; a service that runs as another user is given the file by its group.
        descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(_HEAD + "".join(lines))
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileNotFoundError):
            former = file.stat()
            Path(temporary).chmod(former.st_mode & 0o777)
            if (former.st_uid, former.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(temporary, former.st_uid, former.st_gid)
        Path(temporary).replace(file)
        temporary = None
    except OSError as error:
        raise ConfigurationError(f"The file of keys {file} can't be written ({error.strerror}).") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()


class Keys:
    """The keys of a file as they are now; safe to use from several threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[Key, ...] = ()
        self._read()

    def whose(self, key: str) -> str | None:
        """Whose key it is; None for nobody's. Every hash is compared, each in constant time.

        Raises `ConfigurationError` where the file can't be read any more: then nobody gets in.
        """
        self._read()
        given, found = digest_of(key), None
        for one in self._keys:
            if hmac.compare_digest(one.digest, given):
                found = one.name
        return found

    def _read(self) -> None:
        with self._lock:
            try:
                status = self._file.stat()
            except OSError:
                self._seen, self._keys = None, ()
                self._keys = read(self._file)
                return
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._keys = read(self._file)
                self._seen = seen
