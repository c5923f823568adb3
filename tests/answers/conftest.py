"""A market of ten days, stored once for all tests of answers, and the program asking it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from typer.testing import CliRunner

from ironforge_cli.cli.app import app
from tests.answers import chain

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.servers import TestServer


@pytest.fixture(scope="session")
def market(server: TestServer) -> Generator[str]:
    """The URL of a database that holds it; nothing that asks writes."""
    with server.prepared_database("asked", chain.install) as url:
        yield url


class Ask(Protocol):
    """Asks a question, and returns the records of its answer."""

    def __call__(self, *arguments: str, status: int = 0, stdin: str | None = None) -> list[dict[str, Any]]: ...


@pytest.fixture
def ask(market: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setenv("IRONFORGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    # What is asked never reaches the database that is written.
    monkeypatch.setenv("IRONFORGE_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    monkeypatch.setenv("IRONFORGE_READ_URL", market)

    def asked(*arguments: str, status: int = 0, stdin: str | None = None) -> list[dict[str, Any]]:
        ended = CliRunner().invoke(app, [*arguments, "--format", "json"], input=stdin, catch_exceptions=False)
        assert ended.exit_code == status, ended.stderr
        return json.loads(ended.stdout)

    return asked
