"""Database URLs: what libpq is told of them, and how they are told to people without their secrets."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ironforge_cli.errors import ConfigurationError

_LARGEST_PORT: Final = 65_535
_SCHEME: Final = re.compile(r"(postgres|postgresql)(\+\w+)?", re.IGNORECASE)
_HARMLESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}")
# The name of a parameter, as other programs have them; a piece of a password rarely looks like one.
_PARAMETER: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,40}")

# What other programs read from a URL, and what says the same to libpq.
_INSTEAD: Final = {
    "schema": "options=-csearch_path%3Dname",
    "currentschema": "options=-csearch_path%3Dname",
    "search_path": "options=-csearch_path%3Dname",
    "ssl": "sslmode=require",
    "sslaccept": "sslmode=require",
    "tls": "sslmode=require",
    "timeout": "connect_timeout=10",
}


def conninfo(url: str) -> str:
    """The libpq connection string of a PostgreSQL URL, SQLAlchemy's and Heroku's spellings included.

    A key=value string of libpq's is taken, too. Raises `ConfigurationError` for anything else; the message holds
    nothing of the URL that can be a password.

    >>> conninfo("postgresql+psycopg://me@db.example/prices")
    'host=db.example dbname=prices user=me'
    """
    scheme, separator, rest = url.partition("://")
    if separator and _SCHEME.fullmatch(scheme):
        # SQLAlchemy writes spaces as they are, which libpq refuses.
        plain = f"postgresql://{rest.replace(' ', '%20')}"
        # Of an @ or a / that is not percent-encoded, libpq would make a piece of the password a host or a database.
        if not {"@", "/"}.isdisjoint(rest.partition("?")[0].rpartition("@")[0]):
            raise _unreadable()
        _require_known(rest)
    elif re.match(r"\s*\w+\s*=", url):
        plain = url
    else:
        raise _foreign(scheme if separator else "")
    try:
        parts = (_by_sqlalchemy(url) if "+" in scheme and separator else None) or conninfo_to_dict(plain)
        hosts = str(parts.get("host") or "").split(",")
        ports = [port for port in str(parts.get("port") or "").split(",") if port]
        if any("@" in host[1:] for host in hosts) or not all(_is_port(port) for port in ports):
            raise _unreadable()
        return make_conninfo(**parts)  # pyright: ignore[reportArgumentType] - libpq's own keys
    except psycopg.Error:
        # libpq quotes the offending part, which can hold the password: not even the cause may be shown.
        raise _unreadable() from None


def _require_known(rest: str) -> None:
    """Raise `ConfigurationError` that names the parameters of a URL that libpq doesn't know.

    Nothing is named where an @ comes later: then what looks like parameters can be a piece of the password.
    """
    query = rest.partition("?")[2]
    if "@" in query:
        return
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()} | {"ssl"}
    names = [unquote(pair.partition("=")[0]) for pair in query.split("&") if "=" in pair]
    unknown = sorted({name for name in names if name not in known})
    if not unknown or not all(_PARAMETER.fullmatch(name) for name in unknown):
        return
    instead = {_INSTEAD[name.casefold()] for name in unknown if name.casefold() in _INSTEAD}
    what = f"the parameter {unknown[0]}" if len(unknown) == 1 else f"the parameters {', '.join(unknown)}"
    raise ConfigurationError(
        f"The database URL has {what}, which libpq doesn't know: another program's, as hosted services show them. "
        f"Leave {'it' if len(unknown) == 1 else 'them'} out of IRONFORGE_DATABASE_URL"
        + (f", or say {' and '.join(sorted(instead))} instead." if instead else ".")
    )


def _is_port(port: str) -> bool:
    return port.isdecimal() and 0 < int(port) <= _LARGEST_PORT


def _by_sqlalchemy(url: str) -> dict[str, Any] | None:
    """The parts of a URL by SQLAlchemy's rules, which has its own for several hosts; None where it can't read it."""
    # Few addresses are written so, and who reads alone waits for no library that it doesn't need.
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        return PGDialect_psycopg().create_connect_args(make_url(url))[1]  # pyright: ignore[reportUnknownMemberType] - SQLAlchemy leaves the parameter's type out
    except (ArgumentError, ValueError):
        return None


def _unreadable() -> ConfigurationError:
    return ConfigurationError(
        "The database URL can't be read. Give IRONFORGE_DATABASE_URL as postgresql://user:password@host:5432/database, "
        "with special characters percent-encoded (@ is %40, / is %2F, : is %3A)."
    )


def _foreign(scheme: str) -> ConfigurationError:
    begins = f"begins with {scheme!r}" if _HARMLESS.fullmatch(scheme) else "does not begin with postgresql://"
    return ConfigurationError(
        f"The database URL {begins}, but ironforge keeps its data in PostgreSQL alone. "
        "Give IRONFORGE_DATABASE_URL as postgresql://user:password@host:5432/database, "
        "or leave it unset to use the embedded server."
    )


def described(url: str) -> str:
    """Where a URL leads, without its secrets: for messages and logs.

    >>> described("postgresql://me:secret@db.example:6432/prices")
    'prices at db.example:6432'
    >>> described("postgresql:///prices?host=/run/postgresql")
    'prices at /run/postgresql'
    """
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo(url)).items() if value}
    name = parts.get("dbname") or "(default)"
    hosts = (parts.get("host") or parts.get("hostaddr") or "").split(",")
    ports = parts.get("port", "").split(",")
    if len(ports) != len(hosts):
        ports = ports[:1] * len(hosts)
    if "service" in parts and hosts == [""]:
        return f"{name} of the service {parts['service']}"
    return f"{name} at {', '.join(_address(host, port) for host, port in zip(hosts, ports, strict=True))}"


def _address(host: str, port: str) -> str:
    if not host or host.startswith(("/", "@")):
        return host or "the local socket"
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
