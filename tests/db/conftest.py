"""What several tests of the database need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import Database

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.servers import TestServer


@pytest.fixture(scope="module")
def shared(any_server: TestServer) -> Generator[Database]:
    """A migrated database on each kind of server, one for all tests of a module, which leave nothing in it."""
    with any_server.migrated_database() as url:
        database = Database(url)
        yield database
        database.close()
