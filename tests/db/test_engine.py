from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text
from sqlalchemy.engine import URL

from ironforge_cli.db.engine import Database, conninfo, described, executor
from ironforge_cli.db.sessions import require_supported
from ironforge_cli.errors import ConfigurationError
from tests.db.embedded_playground import eventually

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.servers import TestServer

SECRET = "p4ss-w0rd"  # noqa: S105 - of no server


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgres://me:pw@db.example/prices", {"user": "me", "password": "pw", "host": "db.example"}),
        ("postgresql://me@db.example:6432/prices", {"user": "me", "host": "db.example", "port": "6432"}),
        ("postgresql+psycopg://me@db.example/prices", {"user": "me", "host": "db.example"}),
        ("postgresql+psycopg2://me@db.example/prices", {"user": "me", "host": "db.example"}),
        ("PostgreSQL://db.example/prices", {"host": "db.example"}),
        ("postgresql:///prices", {}),
        ("postgresql:///prices?host=/run/postgresql&port=5433", {"host": "/run/postgresql", "port": "5433"}),
        ("postgresql://%2Frun%2Fmy%20sockets/prices", {"host": "/run/my sockets"}),
        ("postgresql+psycopg:///prices?host=/run/my%20sockets", {"host": "/run/my sockets"}),
        ("postgresql://me:p%40ss%2F%3A%25@h/prices", {"user": "me", "password": "p@ss/:%", "host": "h"}),
        ("postgresql+psycopg://me:p%40ss%2F%3A%25@h/prices", {"user": "me", "password": "p@ss/:%", "host": "h"}),
        ("postgresql://a.example:1,b.example:2/prices", {"host": "a.example,b.example", "port": "1,2"}),
        ("postgresql+psycopg://a.example:1,b.example:2/prices", {"host": "a.example,b.example", "port": "1,2"}),
        ("postgresql+psycopg:///prices?host=a:1&host=b:2", {"host": "a,b", "port": "1,2"}),
        ("postgresql://[2001:db8::1]:6432/prices", {"host": "2001:db8::1", "port": "6432"}),
        ("postgresql://db.example/prices?sslmode=require", {"host": "db.example", "sslmode": "require"}),
        ("host=db.example dbname=prices password='a b://c@d'", {"host": "db.example", "password": "a b://c@d"}),
        ("host=@abstract dbname=prices", {"host": "@abstract"}),
        ("postgresql://db.example:65535/prices", {"host": "db.example", "port": "65535"}),
        ("postgresql://db.example:1/prices", {"host": "db.example", "port": "1"}),
    ],
)
def test_every_spelling_of_a_postgresql_url_is_understood(url: str, parts: dict[str, Any]) -> None:
    assert conninfo_to_dict(conninfo(url)) == {"dbname": "prices", **parts}


@given(password=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_password_survives_in_a_url_that_sqlalchemy_wrote(password: str) -> None:
    url = URL.create("postgresql+psycopg", "me", password, "db.example", 5432, "prices")
    written = url.render_as_string(hide_password=False)
    assert conninfo_to_dict(conninfo(written))["password"] == password
    assert conninfo_to_dict(conninfo(written.replace("+psycopg", "")))["password"] == password


@pytest.mark.parametrize(
    ("url", "described_as"),
    [
        (f"postgresql://me:{SECRET}@db.example:6432/prices", "prices at db.example:6432"),
        (f"postgresql://me:{SECRET}@db.example/prices", "prices at db.example"),
        (f"postgresql://db.example/prices?user=me&password={SECRET}", "prices at db.example"),
        (f"host=/run/postgresql port=5433 dbname=prices password={SECRET}", "prices at /run/postgresql"),
        (f"postgresql://me:{SECRET}@a.example:1,b.example:2/prices", "prices at a.example:1, b.example:2"),
        (f"postgresql://me:{SECRET}@a.example,b.example/prices", "prices at a.example, b.example"),
        (f"host=a,b port=6432 dbname=prices password={SECRET}", "prices at a:6432, b:6432"),
        (f"postgresql://me:{SECRET}@[2001:db8::1]:6432/prices", "prices at [2001:db8::1]:6432"),
        (f"hostaddr=192.0.2.7 dbname=prices password={SECRET}", "prices at 192.0.2.7"),
        (f"postgresql://me:{SECRET}@/", "(default) at the local socket"),
        (f"service=market password={SECRET}", "(default) of the service market"),
        (f"service=market host=db.example password={SECRET}", "(default) at db.example"),
        (f"host=@abstract dbname=prices password={SECRET}", "prices at @abstract"),
        (f"host=a.example hostaddr=192.0.2.7 dbname=prices password={SECRET}", "prices at a.example"),
    ],
)
def test_a_description_says_where_a_url_leads_and_no_secret(url: str, described_as: str) -> None:
    assert described(url) == described_as


@pytest.mark.parametrize(
    "url",
    [
        "",
        "prices",
        f"me:{SECRET}@db.example/prices",
        f"postgresql:me:{SECRET}@db.example/prices",
        f"postgresql//me:{SECRET}@db.example/prices",
        f"mysql://me:{SECRET}@db.example/prices",
        f"postgresql+://me:{SECRET}@db.example/prices",
        f"https://me:{SECRET}@db.example/prices",
        f"{SECRET}@://db.example/prices",
        f"postgresql://me:x@{SECRET}@db.example/prices",
        f"postgresql://me:x/{SECRET}@db.example/prices",
        f"postgresql://me:123/{SECRET}@db.example/prices",
        f"postgresql://me:x?y@{SECRET}@db.example/prices",
        f"postgresql://me:1?y/{SECRET}@db.example/prices",
        f"postgresql://me:x#{SECRET}%@db.example/prices",
        f"postgresql://me:{SECRET}%zz@db.example/prices",
        f"postgresql+psycopg://me:x@{SECRET}@db.example/prices",
        f"postgresql+psycopg://me:x/{SECRET}@db.example/prices",
        f"postgresql://me:{SECRET}/prices",
        f"postgresql://me:{SECRET}@db.example:port/prices",
        f"postgresql://me:{SECRET}@db.example:65536/prices",
        f"postgresql://me:{SECRET}@db.example:0/prices",
        f"postgresql://me:{SECRET}@db.example/prices?{SECRET}=1",
        f"host=db.example {SECRET}",
        f"host=db.example password='{SECRET}",
        f"host=db.example {SECRET}=1",
    ],
)
def test_what_can_not_be_read_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="IRONFORGE_DATABASE_URL as postgresql://") as refused:
        Database(url)
    assert SECRET not in str(refused.value)
    # The traceback that -vv shows ends at the message, too.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert refused.value.status == 78


def test_another_database_is_named_by_its_scheme() -> None:
    with pytest.raises(ConfigurationError, match=r"begins with 'mysql', but ironforge keeps its data in PostgreSQL"):
        conninfo("mysql://db.example/prices")


@pytest.mark.parametrize(("version", "named"), [(130_004, "13.4"), (90_603, "9.603")])
def test_a_server_older_than_14_is_refused(version: int, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"PostgreSQL {named}; ironforge needs 14"):
        require_supported(version)
    require_supported(140_000)


def shown(connection: Connection, setting: str) -> str:
    return str(connection.execute(text("SELECT current_setting(:name)"), {"name": setting}).scalar_one())


def test_a_session_is_the_same_whatever_the_database_is_set_to(any_server: TestServer) -> None:
    with any_server.empty_database() as url:
        database = Database(url)
        with database.connect(autocommit=True) as connection:
            name = connection.execute(text("SELECT current_database()")).scalar_one()
            for setting in (
                "timezone = 'America/New_York'",
                "datestyle = 'German'",
                "idle_session_timeout = '1s'",
                "default_transaction_isolation = 'serializable'",
                "client_encoding = 'LATIN1'",
                "synchronous_commit = off",
            ):
                connection.execute(text(f"ALTER DATABASE {name} SET {setting}"))
        database.close()
        database = Database(url)
        with database.connect() as connection:
            found = {setting: shown(connection, setting) for setting in (
                "timezone", "datestyle", "idle_session_timeout", "transaction_isolation", "client_encoding",
                "application_name", "lock_timeout", "synchronous_commit",
            )}  # fmt: skip
            moment = connection.execute(text("SELECT '2026-07-14 12:00+02'::timestamptz")).scalar_one()
            offset = moment.utcoffset()
            bounds = connection.execute(text("SELECT '2026-07-14 12:00+02'::timestamptz::text")).scalar_one()
        database.close()
    assert found == {
        "timezone": "UTC",
        "datestyle": "ISO, YMD",
        "idle_session_timeout": "0",
        "transaction_isolation": "read committed",
        "client_encoding": "UTF8",
        "application_name": "ironforge",
        "lock_timeout": "1min",
        "synchronous_commit": "local",
    }
    assert (moment.isoformat(), offset.total_seconds()) == ("2026-07-14T10:00:00+00:00", 0)
    assert bounds == "2026-07-14 10:00:00+00"


def test_a_session_keeps_its_settings_after_a_rollback_and_in_autocommit(database: Database) -> None:
    with database.connect() as connection:
        assert shown(connection, "timezone") == "UTC"
        connection.rollback()
        assert shown(connection, "timezone") == "UTC"
    with database.connect(autocommit=True) as connection:
        assert shown(connection, "timezone") == "UTC"


def test_names_of_the_users_own_win_over_the_defaults(database_url: str) -> None:
    separator = "&" if "?" in database_url else "?"
    database = Database(f"{database_url}{separator}application_name=mine")
    with database.connect() as connection:
        assert shown(connection, "application_name") == "mine"
    database.close()


def test_pg_stat_activity_names_the_slice_of_each_statement(any_database: Database) -> None:
    with any_database.connect() as connection, any_database.connect(autocommit=True) as other:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        query = text("SELECT query FROM pg_stat_activity WHERE pid = :process")
        executor("stats")(connection, text("SELECT 1 + :one"), {"one": 1})
        assert other.execute(query, {"process": process}).scalar_one().startswith("/* ironforge stats */ SELECT 1 +")
        connection.execute(text("SELECT 2"))
        assert other.execute(query, {"process": process}).scalar_one() == "/* ironforge db */ SELECT 2"


def tables(database: Database) -> list[str]:
    with database.connect() as connection:
        return list(connection.execute(text("SELECT tablename FROM pg_tables WHERE tablename LIKE 'made_%'")).scalars())


def test_what_is_not_committed_is_rolled_back(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(text("CREATE TABLE made_and_left ()"))
    assert tables(database) == []
    with database.connect() as connection:
        connection.execute(text("CREATE TABLE made_and_committed ()"))
        connection.commit()
        connection.execute(text("CREATE TABLE made_afterwards ()"))
    assert tables(database) == ["made_and_committed"]


def test_a_transaction_is_committed_when_its_block_ends_and_rolled_back_when_it_raises(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as connection:
            connection.execute(text("CREATE TABLE made_by_a_failure ()"))
            raise ValueError("of the block's own")

    with pytest.raises(ValueError, match="of the block's own"):
        fail()
    assert tables(database) == []
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE made_well ()"))
    assert tables(database) == ["made_well"]


def test_an_autocommit_connection_leaves_its_manner_to_nobody(database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute(text("CREATE TABLE made_at_once ()"))
    with database.connect() as connection:
        connection.execute(text("CREATE TABLE made_and_rolled_back ()"))
    assert tables(database) == ["made_at_once"]


def test_a_database_that_is_closed_leaves_no_session(database: Database) -> None:
    other = Database(database.url)
    assert other.url == database.url
    with other.connect() as connection:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    there = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :process")
    with database.connect(autocommit=True) as connection:
        assert connection.execute(there, {"process": process}).scalar_one() == 1
        other.close()
        eventually(lambda: connection.execute(there, {"process": process}).scalar_one() == 0)
