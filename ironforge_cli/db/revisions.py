"""Which migrations a database has, and which this program brings.

The migrations lie in `alembic/` of a checkout and travel in the wheel as `ironforge_cli/_migrations`; one look-up
serves both. Revisions are named for the minute they were written, so that their names sort by age.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.transactions import reader
from ironforge_cli.errors import ConfigurationError, IronforgeError
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from ironforge_cli.db.transactions import Transaction

_REVISION: Final = re.compile(r"\d{8}_\d{4}")
_read = reader("schema")


class SchemaVersion(Value, frozen=True):
    """What a database has (`current`, None for nothing) and what this program needs (`head`)."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """Whether the program can work on this database."""
        return self.current == self.head


@cache
def migrations_folder() -> Path:
    """Where the migrations are, in a wheel or in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_migrations", package.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise IronforgeError(f"The migrations are missing beside {package}; install ironforge-cli again.")


def revisions() -> list[str]:
    """The revisions that this program brings, oldest first. Reads file names alone: Alembic takes long to import."""
    names = (_REVISION.match(path.name) for path in (migrations_folder() / "versions").glob("*.py"))
    return sorted(name[0] for name in names if name)


def head() -> str:
    """The newest revision that this program brings."""
    return revisions()[-1]


def version(connection: Transaction) -> SchemaVersion:
    """Read the revision of a database; raises as the connection does."""
    ((is_known,),) = _read(connection, "SELECT to_regclass('alembic_version') IS NOT NULL")
    current = _read(connection, "SELECT max(version_num) FROM alembic_version")[0][0] if is_known else None
    return SchemaVersion(current=current, head=head())


def require_current(connection: Transaction) -> None:
    """Raise `ConfigurationError` unless the schema is the one that this program was written for."""
    found = version(connection)
    if found.is_current:
        return
    require_upgradable(found)
    has = f"is older ({found.current})" if found.current else "is not there yet"
    raise ConfigurationError(
        f"The database's schema {has}; this ironforge needs {found.head}. Run `ironforge db upgrade`."
    )


def require_upgradable(found: SchemaVersion) -> None:
    """Raise `ConfigurationError` where no migration of this program leads on from what a database has."""
    if found.current is None or found.current in revisions():
        return
    if _REVISION.fullmatch(found.current) and found.current > found.head:
        raise ConfigurationError(
            f"The database's schema ({found.current}) is newer than this ironforge ({found.head}). "
            "Upgrade ironforge, as whoever upgraded the database did."
        )
    raise ConfigurationError(
        f"The database's schema ({found.current}) is none of this ironforge's: another program, or another version, "
        "made it. Give ironforge a database of its own."
    )
