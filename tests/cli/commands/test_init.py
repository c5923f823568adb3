from __future__ import annotations

import json
import shlex
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cli.conftest import Run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my config" / "config.toml"


@pytest.fixture
def variables(api: Mapping[str, str], file: Path, tmp_path: Path) -> dict[str, str]:
    """Where the sandbox is; its keys are what is asked for."""
    addresses = {name: value for name, value in api.items() if "CLIENT" not in name}
    return {**addresses, "IRONFORGE_CONFIG": str(file), "IRONFORGE_HOME": str(tmp_path / "home")}


def test_what_is_asked_is_written_for_its_owner_alone_and_tried(
    run: Run, api: Mapping[str, str], variables: dict[str, str], database_url: str, file: Path
) -> None:
    with Terminal(columns=400, environment=variables) as terminal, terminal.start("init") as process:
        for question, answer in (
            ("Id of your API client", api["BLIZZARD_CLIENT_ID"]),
            ("Its secret", api["BLIZZARD_CLIENT_SECRET"]),
            ("Regions", "mars"),
            ("There are eu, us", "US"),
            ("PostgreSQL of your own", database_url),
        ):
            terminal.wait_until(lambda lines, asked=question: asked in "\n".join(lines))
            terminal.press(f"{answer}\n".encode())
        assert process.wait() == 0
        screen = "\n".join(terminal.final())
    assert api["BLIZZARD_CLIENT_SECRET"] not in screen
    assert tomllib.loads(file.read_text()) == {
        "client_id": api["BLIZZARD_CLIENT_ID"],
        "client_secret": api["BLIZZARD_CLIENT_SECRET"],
        "regions": ["us"],
        "database_url": database_url,
    }
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    line = next(line for line in screen.splitlines() if "* * * *" in line)
    assert f"IRONFORGE_CONFIG={shlex.quote(str(file))} " in line
    assert run("collect", **variables).exit_code == 0


def test_off_a_terminal_options_say_what_would_be_asked(
    run: Run, api: Mapping[str, str], variables: dict[str, str], database_url: str, file: Path
) -> None:
    file.parent.mkdir()
    url = file.parent.with_name("url")
    url.write_text(f"{database_url}\n")
    arguments = ("--client-id", api["BLIZZARD_CLIENT_ID"], "--database-url-file", str(url), "--format", "json")
    unsaid = run("init", *arguments, **variables)
    assert (unsaid.exit_code, file.exists()) == (2, False)
    given = run("init", *arguments, "--client-secret-file", "-", stdin=api["BLIZZARD_CLIENT_SECRET"], **variables)
    assert given.exit_code == 0
    assert {check["status"] for check in json.loads(given.stdout)} == {"done", "not_used"}
    written = file.read_text()
    again = run("init", *arguments, "--client-secret-file", "-", stdin="other", **variables)
    assert (again.exit_code, file.read_text()) == (2, written)
    odd = 'sm"all\\'
    wrong = run("init", *arguments, "--client-secret-file", "-", "--replace", stdin=odd, **variables)
    assert wrong.exit_code == 77
    assert tomllib.loads(file.read_text())["client_secret"] == odd
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]
