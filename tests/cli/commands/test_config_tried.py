"""What `config check` tries beyond what is set: the API itself, folders, rights, the archive, the health check."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from ironforge_cli.cli.frame.trying import try_folders
from ironforge_cli.db.engine import conninfo
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.archives import made

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="nothing is out of root's reach")


def checked(run: Run, **variables: str) -> tuple[int, dict[str, tuple[str, str]]]:
    ended = run("-q", "config", "check", "--format", "json", **variables)
    return ended.exit_code, {one["check"]: (one["status"], one["message"]) for one in json.loads(ended.stdout)}


def test_an_api_address_that_is_none_is_told_though_the_keys_are_accepted(
    run: Run, api: Mapping[str, str], sandbox: Sandbox, database_url: str
) -> None:
    variables = {**api, "IRONFORGE_DATABASE_URL": database_url}
    code, found = checked(run, **{**variables, "IRONFORGE_API_URL": "http://127.0.0.1:1"})
    assert code == 69
    assert found["credentials"][0] == "done"
    assert "EU: http://127.0.0.1:1 doesn't answer" in found["api"][1]
    assert "IRONFORGE_API_URL names it" in found["api"][1]
    # Nothing is asked there, either.
    assert found["locale"][0] == "unavailable"
    _, found = checked(run, **variables)
    assert found["api"][1] == f"{api['IRONFORGE_API_URL']} tells the token's price of EU, US"
    assert found["locale"][1].startswith("EU gives names in en_US, such as ")
    asked = [request.path for request in sandbox.requests]
    assert sum("token/index" in path for path in asked) == len(DEFAULT_REGIONS)


@pytest.mark.parametrize("name", ["http", "locks", "spool/eu", "quarantine/us"])
def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path, name: str) -> None:
    assert try_folders(tmp_path, DEFAULT_REGIONS) == [
        *("http", "locks", "spool/eu", "spool/us", "quarantine/eu", "quarantine/us")
    ]
    # Looking makes nothing.
    assert list(tmp_path.iterdir()) == []
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"in its way")
    with pytest.raises(ConfigurationError, match=rf"{tmp_path / name} \(.*IRONFORGE_HOME"):
        try_folders(tmp_path, DEFAULT_REGIONS)
    assert (tmp_path / name).read_bytes() == b"in its way"


@NOT_ROOT
def test_a_folder_and_a_file_of_somebody_else_s_are_named(tmp_path: Path) -> None:
    (tmp_path / "http").mkdir()
    ring = tmp_path / "http" / "requests.ring"
    ring.touch(mode=0o400)
    with pytest.raises(ConfigurationError, match=r"requests\.ring .Permission denied"):
        try_folders(tmp_path, DEFAULT_REGIONS)
    (tmp_path / "http").chmod(0o500)
    with pytest.raises(ConfigurationError, match=r"http .Permission denied"):
        try_folders(tmp_path, DEFAULT_REGIONS)
    (tmp_path / "http").chmod(0o700)


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (("ALTER ROLE {role} SET default_transaction_read_only = on",), "are read-only"),
        (("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",), "may only read"),
        (
            (
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
                "REVOKE DELETE ON snapshots FROM {role}",
            ),
            "may not write snapshots, nor add days to auction_snapshots_eu",
        ),
    ],
    ids=["read-only", "reader", "some"],
)
def test_a_role_that_lacks_rights_is_told_what_it_lacks(
    run: Run, api: Mapping[str, str], database_url: str, statements: tuple[str, ...], said: str
) -> None:
    role = f"of_a_test_{os.getpid()}"
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
        try:
            for statement in ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", *statements):
                connection.execute(statement.format(role=role).encode())
            head, _, tail = database_url.partition("://")
            by_role = f"{head}://{role}:x@{tail.rpartition('@')[2]}"
            code, found = checked(run, **{**api, "IRONFORGE_DATABASE_URL": by_role})
        finally:
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"DROP ROLE {role}".encode())
    assert (code, found["database"][0]) == (78, "configuration")
    assert said in found["database"][1]
    assert ("`ironforge status` works so" in found["database"][1]) is (len(statements) == 1)


def test_an_archive_is_written_to_and_left_as_it_was(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "archive"
    variables = {"IRONFORGE_ARCHIVE_URI": made(folder), "IRONFORGE_DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    before = sorted(folder.rglob("*"))
    _, found = checked(run, **variables)
    assert found["archive"] == ("done", f"{folder} can be written and read")
    assert sorted(folder.rglob("*")) == before

    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("ironforge_cli.archive.arrow.import_module", missing)
    sys.modules["ironforge_cli.archive.arrow"].arrow.cache_clear()
    _, found = checked(run, **variables)
    assert found["archive"][0] == "configuration"
    assert "pip install 'ironforge-cli[archive]'" in found["archive"][1]


def test_a_health_check_is_reached_and_told_of_nothing(run: Run, sandbox: Sandbox) -> None:
    host = sandbox.address.control_url.partition("://")[2].partition("/")[0]
    variables = {"IRONFORGE_PING_URL": f"http://me:hidden@{host}/secret-uuid"}
    _, found = checked(run, IRONFORGE_DATABASE_URL="postgresql://127.0.0.1:1/x", **variables)
    assert found["health check"] == ("done", f"{host} answers; only runs tell it anything")
    assert not any("secret-uuid" in request.path for request in sandbox.requests)
