"""Where a command asks its questions: read without the libraries of what writes, which take half a second to load."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from ironforge_cli.db import revisions
from ironforge_cli.db.reading import DatabaseToRead
from ironforge_cli.db.repositories import asked_questions
from ironforge_cli.errors import IronforgeError

if TYPE_CHECKING:
    from ironforge_cli.cli.frame.wiring import Invocation
    from ironforge_cli.db.repositories.asked_questions import AskedQuestion


def database_to_ask(invocation: Invocation) -> DatabaseToRead:
    """The database that `read_url` names, else that of the settings, or the embedded one, started and migrated.

    Raises as `Invocation.database`.
    """
    settings = invocation.settings
    given = settings.read_url or settings.database_url
    if given is not None:
        return _opened(invocation, given.get_secret_value())
    server = invocation.close_with(invocation.server())
    database = _opened(invocation, server.conninfo)
    with database.transaction() as session:
        is_current = revisions.version(session).is_current
    if not is_current:
        _upgrade(server.conninfo)
    return database


def note_question(database: DatabaseToRead, asked: AskedQuestion) -> None:
    """Write the benchmark of a question where that can be: whoever may only read is answered all the same."""
    try:
        with database.transaction() as session:
            asked_questions.note(session, asked)
    except IronforgeError as error:
        logging.getLogger(__name__).debug("That a question was asked could not be noted: %s", error)


def _opened(invocation: Invocation, url: str) -> DatabaseToRead:
    invocation.at_work()
    database = DatabaseToRead(url)
    invocation.close_with(closing(database))
    return database


def _upgrade(url: str) -> None:
    from ironforge_cli.db.engine import Database  # noqa: PLC0415 - few questions find anything to migrate
    from ironforge_cli.db.schema import upgrade  # noqa: PLC0415

    with closing(Database(url)) as database:
        upgrade(database)
