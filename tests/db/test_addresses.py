"""Database URLs: what libpq is told of them, what is refused, and that no secret is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import URL

from ironforge_cli.db.addresses import conninfo, described
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import ConfigurationError

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


def test_a_word_that_begins_no_address_is_not_told() -> None:
    with pytest.raises(ConfigurationError, match=r"^The database URL does not begin with postgresql://"):
        conninfo("mysql")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("pgbouncer=true", "the parameter pgbouncer, which"),
        ("sslmode=require&pgbouncer=true&connection_limit=1", "the parameters connection_limit, pgbouncer, which"),
        ("schema=public", r"the parameter schema, .*or say options=-csearch_path%3Dname instead"),
        ("sslmode=require&pool_timeout=0", "the parameter pool_timeout, which"),
        ("sslaccept=strict", r"the parameter sslaccept, .*or say sslmode=require instead"),
    ],
)
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_parameter_of_another_programs_is_named(scheme: str, query: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as refused:
        conninfo(f"{scheme}://me:hidden@db.example:6543/prices?{query}")
    assert "percent" not in str(refused.value)
    assert "hidden" not in str(refused.value)
    assert refused.value.status == 78


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require&channel_binding=require",
        "sslmode=verify-full&sslrootcert=system",
        "options=-csearch_path%3Dmarket",
        "options=endpoint%3Dep-cool-name",
        "target_session_attrs=read-write",
        "ssl=true",
    ],
)
@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_what_hosted_services_show_for_libpq_is_taken_as_it_is(scheme: str, query: str) -> None:
    assert "host=db.example" in conninfo(f"{scheme}://me:hidden@db.example:5432/prices?{query}")


def test_what_can_be_a_piece_of_a_password_is_not_named() -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        conninfo("postgresql://me:pa/rt?secret=x@db.example/prices")
    assert "secret" not in str(refused.value)


def refusal(url: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        conninfo(url)
    return str(refused.value)


def test_what_a_refused_url_is_told_ends_with_the_way_out() -> None:
    one = "postgresql://db.example/prices?pgbouncer=true&sslmode=require"
    assert refusal(one) == (
        "The database URL has the parameter pgbouncer, which libpq doesn't know: another program's, as hosted services "
        "show them. Leave it out of IRONFORGE_DATABASE_URL."
    )
    several = "postgresql://db.example/prices?Schema=a&timeout=5&tls=1&ssl%61ccept=b&timeout=6&flag"
    assert refusal(several) == (
        "The database URL has the parameters Schema, sslaccept, timeout, tls, which libpq doesn't know: another "
        "program's, as hosted services show them. Leave them out of IRONFORGE_DATABASE_URL, or say connect_timeout=10 "
        "and options=-csearch_path%3Dname and sslmode=require instead."
    )
    for scheme, begins in (("my-sql+x.1", "begins with 'my-sql+x.1'"), ("1sql", "does not begin with postgresql://")):
        assert refusal(f"{scheme}://db.example/prices") == (
            f"The database URL {begins}, but ironforge keeps its data in PostgreSQL alone. Give IRONFORGE_DATABASE_URL "
            "as postgresql://user:password@host:5432/database, or leave it unset to use the embedded server."
        )
    # What is so long is rather a password.
    assert "does not begin" in refusal(f"{'a' * 32}://x")
    assert "begins with 'aaa" in refusal(f"{'a' * 31}://x")
    assert refusal("postgresql://db.example:x/prices") == (
        "The database URL can't be read. Give IRONFORGE_DATABASE_URL as postgresql://user:password@host:5432/database, "
        "with special characters percent-encoded (@ is %40, / is %2F, : is %3A)."
    )


def test_a_parameter_is_named_where_it_looks_like_one_and_nothing_behind_it_can_be_a_password() -> None:
    for query in (f"{'a' * 41}=1", "a_b=1", "A=1&sslmode=require"):
        assert "which libpq doesn't know" in refusal(f"postgresql://h/prices?{query}")
    for query in (f"{'a' * 42}=1", "pass-word=1", "1=1", "schema=a&b1=c", "schema=a@b"):
        assert "can't be read" in refusal(f"postgresql://h/prices?{query}")


def test_a_place_is_described_by_each_host_with_its_own_port() -> None:
    assert described("postgresql:///prices?host=/run/a,b,c&port=1,2,3") == "prices at /run/a, b:2, c:3"
    assert described("host=a,,@b port=7 dbname=x") == "x at a:7, the local socket, @b"
    assert described("host=a,b dbname=x") == "x at a, b"
    assert described("host=2001:db8::1 dbname=x") == "x at [2001:db8::1]"
