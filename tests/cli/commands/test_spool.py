from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

NOBODY = "postgresql://127.0.0.1:1/x"
pytestmark = pytest.mark.usefixtures("short_home")
KEYS = ["name", "digest", "region", "snapshot_time", "received_at", "bytes", "reason", "path"]


def test_what_waits_is_listed_stored_and_gone(run: Run, api: Mapping[str, str], database_url: str) -> None:
    assert run("spool", "list").stdout == "There are none.\n"
    assert run("collect", IRONFORGE_DATABASE_URL=NOBODY, **api).exit_code == 74
    listed = json.loads(run("spool", "list", "--format", "json").stdout)
    assert [list(body) for body in listed] == [KEYS, KEYS]
    assert "can't be reached" in listed[0]["reason"]
    assert listed[0]["name"] in run("spool", "list", "--region", "eu").stdout
    replayed = run("spool", "replay", "--format", "json", IRONFORGE_DATABASE_URL=database_url)
    assert replayed.exit_code == 0
    assert [record["outcome"] for record in json.loads(replayed.stdout)] == ["stored", "stored"]
    assert run("spool", "list").stdout == "There are none.\n"
    assert run("spool", "replay", IRONFORGE_DATABASE_URL=database_url).stdout == "There are none.\n"


def test_a_refused_body_is_shown_with_its_reason_and_dropped_by_name(
    run: Run, sandbox: Sandbox, api: Mapping[str, str], database_url: str
) -> None:
    sandbox.set_fault("truncated", endpoint="commodities")
    assert run("collect", "--region", "eu", IRONFORGE_DATABASE_URL=database_url, **api).exit_code == 65
    (refused,) = json.loads(run("spool", "list", "--quarantine", "--format", "json").stdout)
    assert "cut off at byte" in refused["reason"]
    assert json.loads(run("spool", "list", "--format", "json").stdout) == []
    shown = run("spool", "drop", refused["name"], "--quarantine", "--dry-run", "--format", "json")
    assert [(body["name"], body["outcome"]) for body in json.loads(shown.stdout)] == [(refused["name"], "planned")]
    tried = run("spool", "drop", refused["name"], "--quarantine", "--dry-run")
    told = f"1 body, {refused['bytes']:,} bytes."
    assert tried.stdout.endswith(f"\nThis was a dry run: nothing was dropped of {told}\n")
    dropped = run("spool", "drop", refused["name"], "--quarantine")
    assert dropped.exit_code == 0
    assert dropped.stdout.endswith(f"\nDropped {told}\n")
    assert run("spool", "list", "--quarantine").stdout == "There are none.\n"


def test_what_would_drop_or_store_too_much_is_wrong_usage(run: Run) -> None:
    assert run("spool", "drop").exit_code == 2
    assert run("spool", "drop", "abc").exit_code == 2
    assert run("spool", "replay", "--quarantine").exit_code == 2
    assert run("spool", "replay", "abc").exit_code == 2
