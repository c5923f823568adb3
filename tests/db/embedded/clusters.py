"""Data folders whose programs are small scripts, for cases that a real server rarely meets."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ironforge_cli.db.embedded.accounts import own_account
from ironforge_cli.db.embedded.cluster import Cluster
from ironforge_cli.db.embedded.folders import SOCKET_NAME

if TYPE_CHECKING:
    from collections.abc import Generator

STATES = {"ready": "ready   ", "starting": "starting", "stopping": "stopping", "standby": "standby "}


def cluster_in(base: Path, *, major: int = 18) -> Cluster:
    """A cluster whose programs aren't there yet."""
    for folder in (base, base / "run", base / "bin"):
        folder.mkdir(exist_ok=True)
    return Cluster(
        base=base,
        data=base / f"pg{major}",
        sockets=base / "run",
        account=own_account(),
        bindir=base / "bin",
        environment={"PATH": os.environ["PATH"]},
    )


def made(cluster: Cluster) -> Cluster:
    """The same with a data folder."""
    cluster.data.mkdir()
    (cluster.data / "PG_VERSION").write_text(f"{cluster.major}\n", encoding="ascii")
    return cluster


def write_program(cluster: Cluster, name: str, script: str) -> None:
    """Let a program do what a script says; `$DATA` is what follows -D."""
    program = cluster.bindir / name
    program.write_text(f'#!/bin/sh\nDATA="$2"\n{script}\n', encoding="utf-8")
    program.chmod(0o755)


def write_lock_file(cluster: Cluster, pid: int | str, state: str = "ready") -> None:
    """What a server writes of itself into its data folder."""
    lines = [str(pid), str(cluster.data), "1768392003", "5432", str(cluster.sockets), "", "  1234  56", STATES[state]]
    (cluster.data / "postmaster.pid").write_text("\n".join([*lines, ""]), encoding="ascii")


@contextmanager
def listening(cluster: Cluster, *, queue: int = 64) -> Generator[socket.socket]:
    """Answer at the cluster's socket, as this process, which accepts nobody: `queue` more than one can wait."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(cluster.sockets / SOCKET_NAME))
        server.listen(queue)
        yield server


@contextmanager
def running(
    cluster: Cluster, *, name: str = "postgres", folder: Path | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A process that looks like the server of a cluster: called so, and at work in its data folder."""
    program = cluster.base / name
    shutil.copy2("/bin/sleep", program)
    with subprocess.Popen([program, "60"], cwd=folder or cluster.data) as process:
        try:
            yield process
        finally:
            process.kill()
