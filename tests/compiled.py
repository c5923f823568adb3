"""Statements that were made into SQL for one database, used for the next: nearly each test opens one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine
from sqlalchemy.util import LRUCache

from ironforge_cli.db.engine import Dialect

if TYPE_CHECKING:
    from sqlalchemy import Engine

_KEPT: Final = 3_000
_compiled: Final[LRUCache[Any, Any]] = LRUCache(_KEPT)


class SharingDialect(Dialect):
    """The program's own, equal to any other that has found the same server: what is compiled is kept by the dialect."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SharingDialect) and self._found == other._found

    def __hash__(self) -> int:
        return hash(self._found)

    @property
    def _found(self) -> tuple[object, ...]:
        # All that connecting finds out and statements are written by.
        return self.server_version_info, self.default_schema_name, vars(self).get("_backslash_escapes")


def sharing_engine(address: str, **options: Any) -> Engine:
    """An engine that knows what other engines of this process have compiled."""
    engine = create_engine(address, **options)
    vars(engine)["_compiled_cache"] = _compiled
    return engine
