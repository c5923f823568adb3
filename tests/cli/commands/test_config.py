from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.config import SETTINGS, variable_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run
    from tests.servers import TestServer

SECRETS = {
    "IRONFORGE_DATABASE_URL": "postgresql://me:hid@den/?#@db.example/prices?sslpassword=hidden",
    "BLIZZARD_CLIENT_ID": "me",
    "BLIZZARD_CLIENT_SECRET": "hidden",
}


def shown_as(form: str, text: str) -> list[dict[str, Any]]:
    match form:
        case "json":
            return json.loads(text)
        case "jsonl":
            return [json.loads(line) for line in text.splitlines()]
        case _:
            return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_every_setting_is_shown_with_value_source_and_variable(run: Run, form: str) -> None:
    shown = run("config", "show", "--format", form, IRONFORGE_LOCALE="de_DE")
    records = shown_as(form, shown.stdout)
    assert [list(record) for record in records] == [["setting", "value", "source", "variable", "meaning"]] * len(
        records
    )
    assert [record["setting"] for record in records] == list(SETTINGS)
    assert [record["variable"] for record in records] == [variable_names(name)[0] for name in SETTINGS]
    locale = next(record for record in records if record["setting"] == "locale")
    assert (locale["value"], locale["source"]) == ("de_DE", "IRONFORGE_LOCALE")
    assert next(record for record in records if record["setting"] == "api_url")["source"] == "default"


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_no_format_shows_a_secret(run: Run, form: str) -> None:
    shown = run("config", "show", "--format", form, **SECRETS)
    assert shown.exit_code == 0
    assert "hid" not in shown.stdout + shown.stderr
    assert "me:****@db.example/prices" in shown.stdout
    for text in ("host=db password='hid den' dbname=x", "host=db password=hidden"):
        assert "hid" not in run("config", "show", "--format", form, IRONFORGE_DATABASE_URL=text).stdout


def test_the_table_takes_values_as_they_are(run: Run) -> None:
    shown = run("config", "show", IRONFORGE_PG_USER="[red]me[/red]")
    assert " [red]me[/red] " in shown.stdout
    assert "not set" in shown.stdout
    assert "Config file: none" in shown.stdout


def checks(run: Run, **variables: str) -> tuple[int, dict[str, dict[str, str]], str]:
    checked = run("config", "check", "--format", "json", **variables)
    records = json.loads(checked.stdout)
    assert [list(record) for record in records] == [["check", "status", "message"]] * len(records)
    return checked.exit_code, {record["check"]: record for record in records}, checked.stderr


def test_a_check_of_good_settings_is_exit_code_0(run: Run, api: Mapping[str, str], database_url: str) -> None:
    code, found, err = checks(run, IRONFORGE_DATABASE_URL=database_url, **api)
    assert (code, err) == (0, "")
    assert {name: one["status"] for name, one in found.items()} == {
        **dict.fromkeys(("settings", "folders", "database", "credentials", "api", "locale"), "done"),
        **dict.fromkeys(("archive", "health check"), "not_used"),
    }
    assert "ok" in run("config", "check", IRONFORGE_DATABASE_URL=database_url, **api).stdout


def test_a_check_tries_everything_and_says_what_to_do_about_each_failure(
    run: Run, api: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    variables = {
        **api,
        "IRONFORGE_DATABASE_URL": "postgresql://me:hidden@127.0.0.1:1/x",
        "IRONFORGE_HOME": str(tmp_path / "file"),
        "BLIZZARD_CLIENT_SECRET": "hidden",
    }
    code, found, _ = checks(run, **variables)
    assert code == 78
    assert {name: one["status"] for name, one in found.items()} == {
        "settings": "done",
        "folders": "configuration",
        "database": "database",
        "credentials": "configuration",
        "api": "not_tried",
        "locale": "not_tried",
        "archive": "not_used",
        "health check": "not_used",
    }
    assert "IRONFORGE_HOME" in found["folders"]["message"]
    assert "127.0.0.1:1" in found["database"]["message"]
    assert "hidden" not in repr(found)


@pytest.mark.parametrize(
    ("variables", "code", "part", "words"),
    [
        ({"BLIZZARD_CLIENT_SECRET": "wrong"}, 77, "credentials", "BLIZZARD_CLIENT_SECRET"),
        ({"BLIZZARD_CLIENT_SECRET": ""}, 78, "credentials", "BLIZZARD_CLIENT_SECRET is not set"),
        ({"IRONFORGE_OAUTH_URL": "http://127.0.0.1:1/token"}, 69, "credentials", "IRONFORGE_OAUTH_URL"),
        ({"IRONFORGE_DATABASE_URL": "postgresql://127.0.0.1:1/x"}, 74, "database", "refused"),
        ({"IRONFORGE_ARCHIVE_URI": "/not/mounted"}, 78, "archive", "is it mounted"),
        ({"IRONFORGE_PING_URL": "http://127.0.0.1:1/secret-uuid"}, 69, "health check", "127.0.0.1:1 can't be reached"),
    ],
)
def test_a_single_failure_gives_its_own_code(  # noqa: PLR0917 - a table of cases
    run: Run,
    api: Mapping[str, str],
    database_url: str,
    variables: dict[str, str],
    code: int,
    part: str,
    words: str,
) -> None:
    ended, found, _ = checks(run, **{"IRONFORGE_DATABASE_URL": database_url, **api, **variables})
    assert ended == code
    well = {"done", "not_used", "not_tried"}
    assert [name for name, one in found.items() if one["status"] not in well] == [part]
    assert words in found[part]["message"]


def test_a_database_without_the_schema_is_told_with_the_remedy(
    run: Run, api: Mapping[str, str], server: TestServer
) -> None:
    with server.empty_database() as url:
        code, found, _ = checks(run, IRONFORGE_DATABASE_URL=url, **api)
    assert code == 78
    assert "ironforge db upgrade" in found["database"]["message"]


def test_settings_that_can_not_be_read_leave_nothing_else_to_try(run: Run) -> None:
    code, found, _ = checks(run, IRONFORGE_REQUESTS_PER_SECOND="1000")
    assert (code, list(found)) == (78, ["settings"])
    assert "IRONFORGE_REQUESTS_PER_SECOND" in found["settings"]["message"]


def test_a_token_endpoint_that_fails_is_unavailable(
    run: Run, api: Mapping[str, str], sandbox: Sandbox, database_url: str
) -> None:
    sandbox.set_fault("html_5xx", endpoint="oauth")
    code, found, _ = checks(run, IRONFORGE_DATABASE_URL=database_url, **api)
    assert code == 69
    assert "502" in found["credentials"]["message"]
    assert len(sandbox.requests) == 1
