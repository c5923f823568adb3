from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run


@pytest.fixture
def variables(run: Run, make_sandbox: Callable[..., Sandbox], database_url: str) -> Mapping[str, str]:
    sandbox = make_sandbox(starts_at=datetime.now(tz=UTC) - timedelta(hours=3))
    variables = {**sandbox.address.environment, "IRONFORGE_DATABASE_URL": database_url}
    assert run("collect", **variables).exit_code == 0
    return variables


def times(run: Run, variables: Mapping[str, str], region: str) -> list[str]:
    listed = run("snapshots", "list", "--region", region, "--format", "json", **variables)
    return [record["snapshot_time"] for record in json.loads(listed.stdout)]


def test_one_is_dropped_by_who_says_so_and_asked_of_whoever_sits_there(run: Run, variables: Mapping[str, str]) -> None:
    (eu,), (us,) = times(run, variables, "eu"), times(run, variables, "us")
    unasked = run("snapshots", "drop", eu, "--region", "eu", **variables)
    assert (unasked.exit_code, times(run, variables, "eu")) == (2, [eu])
    assert "--yes" in unasked.stderr
    regionless = run("snapshots", "drop", eu, "--yes", **variables)
    assert (regionless.exit_code, times(run, variables, "eu")) == (2, [eu])
    with (
        Terminal(columns=80, environment=variables) as terminal,
        terminal.start("snapshots", "drop", us, "--region", "us") as process,
    ):
        terminal.wait_until(lambda lines: "for good?" in "\n".join(lines))
        terminal.press(b"n\n")
        assert process.wait() == 2
    assert times(run, variables, "us") == [us]
    dropped = run("snapshots", "drop", eu, "--region", "eu", "--yes", "--format", "json", **variables)
    assert dropped.exit_code == 0
    assert [(record["snapshot_time"], record["dropped"]) for record in json.loads(dropped.stdout)] == [(eu, True)]
    assert (times(run, variables, "eu"), times(run, variables, "us")) == ([], [us])
    # Blizzard still has it.
    assert run("collect", "--region", "eu", **variables).exit_code == 0
    assert times(run, variables, "eu") == [eu]
