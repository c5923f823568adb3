"""What is pinned in each transaction, and that no setting of the server's is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from ironforge_cli.db import sessions
from ironforge_cli.db.addresses import conninfo
from ironforge_cli.db.engine import Database
from ironforge_cli.db.sessions import LONGEST_GREETING_SECONDS, PINS, Session, settings_of
from ironforge_cli.db.silence import KEPT_SECONDS, Silence, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Generator

# Pinned by other means than PINS, or of no meaning to what ironforge sends and reads; each with the reason.
OTHERWISE = {
    "client_encoding": "asked for when connecting",
    "search_path": "pinned to the schema that holds alembic_version",
    "synchronous_commit": "pinned where it is off",
    "session_replication_role": "pinned where it is not origin",
    "transaction_timeout": "pinned where the server knows it",
    "transaction_isolation": "said at the beginning of each transaction",
    "default_transaction_isolation": "said at the beginning of each transaction",
    "transaction_deferrable": "said at the beginning of each transaction",
    "default_transaction_deferrable": "said at the beginning of each transaction",
    "transaction_read_only": "a service sets it where the disk is full: to write all the same would be wrong",
    "default_transaction_read_only": "a service sets it where the disk is full: to write all the same would be wrong",
    "statement_timeout": "the operator's limit: what takes longer is said, and spooled",
    "default_tablespace": "the operator's choice of a disk",
    "temp_tablespaces": "the operator's choice of a disk",
    "default_toast_compression": "how values are packed",
    "default_text_search_config": "no text is searched",
    "icu_validation_level": "no collation is made",
    "lc_messages": "errors are known by their state",
    "lc_monetary": "no amount is written by the server",
    "lc_numeric": "no number is written by a pattern",
    "lc_time": "no time is written by a pattern",
    "timezone_abbreviations": "times are sent with their offset",
    "xmlbinary": "no XML",
    "client_min_messages": "notices are not read",
    "createrole_self_grant": "no role is made",
    "event_triggers": "the operator's own",
    "restrict_nonsystem_relation_kind": "no views, no foreign tables",
    "gin_fuzzy_search_limit": "no GIN index",
    "gin_pending_list_limit": "no GIN index",
    "dynamic_library_path": "no function in C",
    "extension_control_path": "no extension",
    "local_preload_libraries": "the operator's own",
    "session_preload_libraries": "the operator's own",
    "lo_compat_privileges": "no large objects",
    "synchronize_seqscans": "what needs an order asks for it",
}


def test_every_setting_that_a_role_or_database_can_be_given_is_pinned_or_has_no_meaning(shared: Database) -> None:
    settable = text(
        "SELECT name FROM pg_settings WHERE context IN ('user', 'superuser') AND (category LIKE 'Client Connection%'"
        " OR category LIKE 'Version and Platform%' OR category LIKE 'Error Handling%'"
        " OR name = 'synchronous_commit') AND name NOT LIKE 'vacuum%'"
    )
    with shared.connect() as connection:
        found = set(connection.execute(settable).scalars())
    assert found - PINS.keys() - OTHERWISE.keys() == set()


def test_each_transaction_has_what_is_pinned_whatever_the_one_before_set(shared: Database) -> None:
    with shared.connect() as connection:
        for name in PINS:
            connection.execute(text(f"RESET {name}"))
        connection.execute(text("SET search_path = pg_catalog"))
        connection.commit()
        shown = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in PINS}
        assert shown == {**PINS, "lock_timeout": "1min"}
        path = connection.execute(text("SHOW search_path")).scalar_one()
        assert path == "public, pg_temp"


@pytest.mark.parametrize(
    ("setting", "given", "shown"),
    [
        # Without their triggers, foreign keys keep nothing.
        ("session_replication_role", "replica", "origin"),
        ("session_replication_role", "origin", "origin"),
        ("synchronous_commit", "off", "local"),
        ("synchronous_commit", "remote_write", "remote_write"),
    ],
)
def test_what_a_role_is_set_to_is_pinned_where_data_could_be_lost_by_it(
    shared: Database, setting: str, given: str, shown: str
) -> None:
    database = Database(f"{shared.url}{'&' if '?' in shared.url else '?'}options=-c%20{setting}%3D{given}")
    with database.connect() as connection:
        assert connection.execute(text(f"SHOW {setting}")).scalar_one() == shown
    database.close()


def test_rows_that_a_policy_hides_are_an_error_and_not_missing(shared: Database) -> None:
    role = "ironforge_tests_of_policies"
    with shared.connect() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(f"GRANT SELECT ON items TO {role}"))
        connection.execute(text("ALTER TABLE items ENABLE ROW LEVEL SECURITY"))
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(Exception, match="row-level security"):
            connection.execute(text("SELECT count(*) FROM items"))


PINNED = [f"{name} = '{value}'" for name, value in PINS.items()]


@pytest.mark.parametrize(
    ("version", "commits", "role", "schema", "wanted"),
    [
        (169_999, "on", "origin", "public", ["synchronous_commit = 'on'", "search_path = public, pg_temp"]),
        (
            170_000,
            "off",
            "replica",
            None,
            [
                "transaction_timeout = '0'",
                "synchronous_commit = 'local'",
                "session_replication_role = 'origin'",
                "search_path TO DEFAULT",
            ],
        ),
        (140_000, "remote_apply", "origin", None, ["synchronous_commit = 'remote_apply'", "search_path TO DEFAULT"]),
        (140_000, None, "origin", None, ["synchronous_commit = 'on'", "search_path TO DEFAULT"]),
    ],
)
def test_beside_what_is_always_pinned_is_what_a_server_of_its_version_and_a_role_needs(
    version: int, commits: str | None, role: str, schema: str | None, wanted: list[str]
) -> None:
    assert settings_of(version, commits=commits, role=role, schema=schema) == [*PINNED, *wanted]


@pytest.fixture
def session(shared: Database) -> Generator[Session]:
    """A session of its own, as whoever asks one question has it."""
    opened = Session.open(conninfo_to_dict(conninfo(shared.url)), described="it")
    yield opened
    opened.close()


def test_a_transaction_has_settings_of_its_own_beside_what_is_pinned(session: Session) -> None:
    session.begin({"statement_timeout": "7s", "lock_timeout": "8s"})
    shown = [session.execute(f"SHOW {name}").fetchall()[0][0] for name in ("statement_timeout", "lock_timeout")]
    assert shown == ["7s", "8s"]


def test_what_is_not_answered_in_time_is_said_not_to_be(session: Session) -> None:
    session.begin()
    with pytest.raises(UnansweredError, match="answer within 0 s"):
        sessions.ask(session, "SELECT pg_sleep(60)", seconds=0)
    session.cancel_safe()


def test_whoever_begins_in_vain_tells_the_others(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def unanswered(*_: object, **__: object) -> NoReturn:
        raise UnansweredError("no session was free")

    monkeypatch.setattr(sessions, "ask", unanswered)
    with pytest.raises(UnansweredError):
        session.begin()
    session.silence = Silence()
    with pytest.raises(UnansweredError):
        session.begin()
    assert session.silence.lasts


def test_statements_that_are_sent_at_once_are_answered_with_all_their_rows_or_an_error(session: Session) -> None:
    rows = sessions.ask(session, "SELECT 1, NULL; BEGIN; SELECT 'a' UNION ALL SELECT 'b'; COMMIT", seconds=60)
    assert rows == [("1", None), ("a",), ("b",)]
    with pytest.raises(psycopg.errors.DivisionByZero):
        sessions.ask(session, "SELECT 1; SELECT 1 / 0", seconds=60)


def test_a_session_of_a_server_that_was_silent_is_waited_for_shortly(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def asked(*_: object, seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(sessions, "ask", asked)
    silent = Silence()
    silent.began(psycopg.errors.ConnectionTimeout("connection timeout expired"))
    for silence in (None, Silence(), silent):
        session.silence = silence
        assert sessions.answers(session)
    assert waited == [LONGEST_GREETING_SECONDS, LONGEST_GREETING_SECONDS, KEPT_SECONDS]
