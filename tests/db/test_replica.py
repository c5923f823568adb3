"""A streaming replica of an external server, for readers: `status` works there, and what writes says why it can't."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.cli.conftest import environment, run
from tests.servers import PASSWORD, debian_programs, external_server, open_folder, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run
    from tests.servers import TestServer

__all__ = ["environment", "run"]


@contextmanager
def replica_of(server: TestServer, programs: Path) -> Generator[str]:
    """A replica of a server, made by pg_basebackup as the page on scaling says; the address that it answers at."""
    host, _, port = server.admin_url.partition("@")[2].partition("/")[0].partition(":")
    with open_folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        own = taken.getsockname()[1]
        account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        identity: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        )
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        subprocess.run(
            [
                *(programs / "pg_basebackup", f"--host={host}", f"--port={port}", "--username=operator"),
                *(
                    f"--pgdata={folder / 'replica'}",
                    "--write-recovery-conf",
                    "--wal-method=stream",
                    "--checkpoint=fast",
                ),
            ],
            check=True,
            capture_output=True,
            cwd="/",
            env={"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]},
            **identity,
        )
        taken.close()
        process = subprocess.Popen(
            [
                *(
                    programs / "postgres",
                    "-D",
                    folder / "replica",
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    f"port={own}",
                ),
                *("-c", f"unix_socket_directories={folder}", "-c", "max_standby_streaming_delay=-1"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **identity,
        )
        try:
            address = f"127.0.0.1:{own}"
            wait_for(server.admin_url.replace(f"{host}:{port}", address), process)
            yield address
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(folder / "replica")


@pytest.fixture
def programs() -> Path:
    found = debian_programs()
    if found is None:
        pytest.skip("no PostgreSQL of the system's is installed (Debian: apt-get install postgresql)")
    return found


def test_readers_are_served_by_a_replica(run: Run, sandbox: Sandbox, programs: Path) -> None:
    api = sandbox.address.environment
    with external_server(programs) as server, server.migrated_database() as url:
        assert run("-q", "collect", IRONFORGE_DATABASE_URL=url, **api).exit_code == 0
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            # A run that is at work: its lock is seen on the primary alone.
            connection.execute(
                "INSERT INTO scraper_logs (command, region, timestamp, status) VALUES ('poll', 'eu', now(), 'running')"
            )
        with replica_of(server, programs) as address:
            there = url.replace(url.partition("@")[2].partition("/")[0], address)
            shown = run("status", "--format", "json", IRONFORGE_DATABASE_URL=there)
            assert shown.exit_code == 0, shown.stderr
            for region in json.loads(shown.stdout)["regions"]:
                assert region["auctions"] > 0
                assert region["crashed"] == []
            sandbox.advance()
            written = run("collect", IRONFORGE_DATABASE_URL=there, **api)
            assert written.exit_code == 74
            assert "read-only" in written.stderr
