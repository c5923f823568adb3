"""What is said of an error, and of which kind it is: without a server."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from ironforge_cli.db.engine import Database, MissingDatabase
from ironforge_cli.errors import BusyError, ConfigurationError, DatabaseError, IronforgeError, UnreachableError

WHERE = "The database prices at db.example"


def told(error: Exception) -> IronforgeError:
    """What becomes of an error that is raised while a database is used."""
    database = Database("postgresql://me@db.example/prices")
    with pytest.raises(IronforgeError) as raised, database.errors():
        raise error
    database.close()
    assert raised.value.__cause__ is error
    return raised.value


@pytest.mark.parametrize("wrapped", [False, True], ids=["of psycopg", "of SQLAlchemy"])
@pytest.mark.parametrize(
    ("state", "kind"),
    [
        # The same work may succeed a moment later: these alone are tried again at once.
        ("55P03", BusyError),
        ("40P01", BusyError),
        # The schema has to be put right by a person.
        ("42P01", ConfigurationError),
        ("42703", ConfigurationError),
        ("42704", ConfigurationError),
        # Everything else is the database's, for now.
        ("40001", DatabaseError),
        ("55006", DatabaseError),
        ("57014", DatabaseError),
        ("57P01", DatabaseError),
        ("57P03", DatabaseError),
        ("23505", DatabaseError),
        ("25006", DatabaseError),
        ("42501", DatabaseError),
        ("42P07", DatabaseError),
        ("42601", DatabaseError),
        ("53100", DatabaseError),
        ("53300", DatabaseError),
        ("08006", DatabaseError),
        ("3D000", DatabaseError),
        ("XX001", DatabaseError),
    ],
)
def test_an_error_is_of_the_kind_that_says_what_to_do_next(
    state: str, kind: type[IronforgeError], *, wrapped: bool
) -> None:
    error = psycopg.errors.lookup(state)("as it happens.")
    found = told(DBAPIError("SELECT", None, error) if wrapped else error)
    assert isinstance(found, kind)
    assert isinstance(found, BusyError) == (kind is BusyError)
    assert "as it happens" in str(found)
    assert "happens.." not in str(found)
    if kind is ConfigurationError:
        assert str(found) == (
            "The schema of the database prices at db.example does not fit this version of ironforge (as it happens). "
            "Run `ironforge db upgrade`."
        )
    else:
        assert str(found).startswith(f"{WHERE} refused the work: as it happens (SQLSTATE {state}). ")


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("25006", "use the primary"),
        ("25P02", "The server's log says more"),
        ("25P03", "Raise idle_in_transaction_session_timeout"),
        ("25P04", "Raise transaction_timeout"),
        ("42501", "Grant this user the rights"),
        ("42601", "The server's log says more"),
        ("42P07", "give ironforge a database of its own"),
        ("42710", "give ironforge a database of its own"),
        ("53000", "The server's log says more"),
        ("53100", "disk is full"),
        ("53200", "out of memory"),
        ("53300", "no connection left"),
        ("57014", "statement_timeout cancelled the statement"),
        ("57P01", "stopping, restarting or recovering"),
        ("57P05", "stopping, restarting or recovering"),
    ],
)
def test_the_advice_is_that_of_the_state_and_not_of_its_neighbours(state: str, advice: str) -> None:
    assert advice in str(told(psycopg.errors.lookup(state)("x")))


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ('password authentication failed for user "me"', "Check user and password in IRONFORGE_DATABASE_URL."),
        ("fe_sendauth: no password supplied", "Check user and password in IRONFORGE_DATABASE_URL."),
        ('no pg_hba.conf entry for host "10.0.0.7", user "me"', "Check user and password in IRONFORGE_DATABASE_URL."),
        ('role "me" does not exist', "Check user and password in IRONFORGE_DATABASE_URL."),
        ('role "me" is not permitted to log in', "Check user and password in IRONFORGE_DATABASE_URL."),
        ('database "prices" does not exist', "Create the database first, or correct IRONFORGE_DATABASE_URL."),
        ("sorry, too many clients already", "raise max_connections or stop what holds them."),
        ("remaining connection slots are reserved for roles", "raise max_connections or stop what holds them."),
        ('too many connections for role "me"', "raise max_connections or stop what holds them."),
        ("the database system is starting up", "try again when it is back."),
        ("the database system is in recovery mode", "try again when it is back."),
        ("Connection refused", "Check that the server runs and that the database URL names it; its log says more."),
    ],
)
def test_a_connection_that_was_refused_without_a_state_is_known_by_what_was_said(said: str, advice: str) -> None:
    error = psycopg.OperationalError(
        f'connection failed: connection to server at "10.0.0.1", port 5432 failed: {said}\n'
    )
    found = told(error)
    assert type(found) is UnreachableError
    assert str(found).startswith(f'{WHERE} can\'t be reached: connection to server at "10.0.0.1", port 5432 failed: ')
    assert f"failed: {said}. " in str(found)
    assert str(found).endswith(advice)


def test_a_question_that_the_advice_answers_is_left_out() -> None:
    found = told(psycopg.OperationalError("connection is bad: Is the server running\n\tand accepting connections?"))
    assert f"{WHERE} can't be reached: no server answers. Check that" in str(found)


@pytest.mark.parametrize("error", [DBAPIError("SELECT", None, ValueError("out of range")), psycopg.InterfaceError()])
def test_an_error_that_says_next_to_nothing_is_told_all_the_same(error: Exception) -> None:
    found = told(error)
    assert type(found) is UnreachableError
    assert ("out of range" in str(found)) or ("can't be reached: InterfaceError. " in str(found))


def test_what_is_no_database_error_passes_as_it_is() -> None:
    database = Database("postgresql://me@db.example/prices")
    with pytest.raises(KeyError), database.errors():
        raise KeyError("item")
    database.close()


def test_whoever_uses_a_database_that_could_not_be_started_is_told_why() -> None:
    database = MissingDatabase(DatabaseError("It never came up."))
    with pytest.raises(DatabaseError, match="never came up"), database.connect():
        raise AssertionError
    with pytest.raises(DatabaseError, match="never came up"), database.connect(autocommit=True):
        raise AssertionError
    with pytest.raises(DatabaseError, match="never came up"), database.transaction():
        raise AssertionError
    assert (database.url, database.description) == ("", "the embedded database")
    database.close()
