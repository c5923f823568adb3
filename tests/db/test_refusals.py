"""What is said of an error of the server's, by what is told of it: which kind it is, and what a person can do."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import lookup

from ironforge_cli.db.refusals import explained, is_full
from ironforge_cli.errors import BusyError, ConfigurationError, DatabaseError, IronforgeError, UnreachableError


def said(error: Exception) -> tuple[type[IronforgeError], str]:
    found = explained(error, "prices")
    return type(found), str(found)


@pytest.mark.parametrize(
    ("told", "reason", "advice"),
    [
        ('password authentication failed for user "me"', None, "Check user and password"),
        ("no pg_hba.conf entry for host", None, "Check user and password"),
        ("fe_sendauth: no password supplied", None, "Check user and password"),
        ('role "me" does not exist', None, "Check user and password"),
        ('role "me" is not permitted to log in', None, "Check user and password"),
        ("local user with ID 7 does not exist", None, "Check user and password"),
        ('database "prices" does not exist', None, "Create the database first"),
        ("the database system is starting up", None, "The server is stopping, restarting or recovering"),
        ("sorry, too many clients already", None, "The server has no connection left for this user"),
        ("network is unreachable", None, "Check that the server runs"),
        ("connection failed: no route to host.", "no route to host", "Check that the server runs"),
        ("connection is bad: no route\n  to host:", "no route to host", "Check that the server runs"),
        (
            "it refused\n\tIs the server running on that host and accepting connections? it is not",
            "it refused it is not",
            "Check that the server runs",
        ),
        ("connection is bad: ", "no server answers", "Check that the server runs"),
        ("", "OperationalError", "Check that the server runs"),
    ],
)
def test_what_a_connection_was_refused_for_is_read_from_its_words(told: str, reason: str | None, advice: str) -> None:
    kind, words = said(psycopg.OperationalError(told))
    assert kind is UnreachableError
    assert words.startswith(f"The database prices can't be reached: {reason or told}. {advice}")
    assert words.endswith(".")


@pytest.mark.parametrize(
    ("state", "kind", "advice"),
    [
        ("42P01", ConfigurationError, "Run `ironforge db upgrade`."),
        ("42703", ConfigurationError, "Run `ironforge db upgrade`."),
        ("42704", ConfigurationError, "Run `ironforge db upgrade`."),
        ("42501", DatabaseError, "Grant this user the rights"),
        ("23505", DatabaseError, "What is stored already contradicts it"),
        ("42601", DatabaseError, "The server's log says more."),
        ("55P03", BusyError, "Another session holds a lock"),
        ("40P01", BusyError, "Another session did conflicting work"),
        ("40001", DatabaseError, "Another session did conflicting work"),
        ("57014", UnreachableError, "An operator or statement_timeout cancelled"),
        ("53300", UnreachableError, "The server has no connection left"),
        ("08006", UnreachableError, "Check that the server runs"),
    ],
)
def test_what_a_statement_was_refused_for_is_told_by_its_state(
    state: str, kind: type[IronforgeError], advice: str
) -> None:
    found, words = said(lookup(state)("it happened.\nLINE 1: SELECT secret FROM there\n        ^"))
    assert found is kind
    assert advice in words
    assert "it happened" in words
    assert "secret" not in words
    assert (f"(SQLSTATE {state})" in words) is (kind is not ConfigurationError)


def test_what_a_library_says_is_its_first_line() -> None:
    kind, words = said(ValueError("it happened\n[SQL: SELECT secret]"))
    assert kind is UnreachableError
    assert words.startswith("The database prices can't be reached: it happened. Check")
    assert "ValueError. " in said(ValueError())[1]


def test_only_a_server_is_full_and_by_its_state_where_it_tells_one() -> None:
    assert is_full(lookup("53300")("whatever"))
    assert is_full(psycopg.OperationalError("MAX CLIENTS REACHED"))
    assert not is_full(lookup("53200")("too many connections"))
    assert not is_full(ValueError("too many connections"))
