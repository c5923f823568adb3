"""Root and an account work in the account's home in turns, with a database and without: nobody is locked out."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import pytest

from ironforge_cli.db.embedded.accounts import choose_account
from tests.db.embedded_playground import IS_ROOT, programs
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
ACCOUNT = "nobody"
AWAY = "postgresql://127.0.0.1:1/x"
# All modules are there before it becomes the account: Python itself may lie where only root gets.
_PROGRAM = """\
import json, os, pkgutil, sys
from importlib import import_module
import alembic.command, alembic.runtime.environment, logging.config, mako.template, timeit
import ironforge_cli
for module in pkgutil.walk_packages(ironforge_cli.__path__, "ironforge_cli."):
    if not module.name.endswith("__main__"):
        import_module(module.name)
from typer.testing import CliRunner
from ironforge_cli.cli.app import app

def run(order):
    done = CliRunner().invoke(app, order["arguments"], env=order["environment"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    print(json.dumps({"code": done.exit_code, "said": done.stderr}), flush=True)

run(json.loads(sys.stdin.readline()))
uid, gid = map(int, sys.argv[1:])
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
for line in sys.stdin:
    run(json.loads(line))
"""


@dataclass
class Somebody:
    """The account, at work in a process of its own."""

    orders: IO[str]
    answers: IO[str]

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        self.orders.write(json.dumps({"arguments": arguments, "environment": environment}) + "\n")
        self.orders.flush()
        answer = json.loads(self.answers.readline())
        return answer["code"], answer["said"]


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder of the account's, in which nothing is yet."""
    account = pwd.getpwnam(ACCOUNT)
    with open_folder() as made:
        (made / "theirs").mkdir(mode=0o700)
        os.chown(made / "theirs", account.pw_uid, account.pw_gid)
        yield made / "theirs"


@pytest.fixture
def somebody(tmp_path: Path, api: Mapping[str, str]) -> Generator[Somebody]:
    account = pwd.getpwnam(ACCOUNT)
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(account.pw_uid), str(account.pw_gid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as process:
        assert process.stdin
        assert process.stdout
        its = Somebody(process.stdin, process.stdout)
        # What is imported when it is needed is there afterwards.
        its.run("collect", **api, IRONFORGE_HOME=str(tmp_path / "tried"), IRONFORGE_DATABASE_URL=AWAY)
        yield its
        process.stdin.close()


def owners(home: Path) -> set[str]:
    return {pwd.getpwuid(path.lstat().st_uid).pw_name for path in (home, *home.rglob("*"))}


@pytest.mark.parametrize("order", ["root first", pytest.param("the account first", marks=pytest.mark.slow)])
@pytest.mark.parametrize("database", [pytest.param("embedded", marks=pytest.mark.slow), "away"])
def test_root_and_an_account_take_turns_in_its_home(
    run: Run,
    somebody: Somebody,
    folder: Path,
    api: Mapping[str, str],
    *,
    database: str,
    order: str,
) -> None:
    home = folder / "home"
    environment = {**api, "IRONFORGE_HOME": str(home), "HOME": str(folder)}
    if database == "away":
        environment["IRONFORGE_DATABASE_URL"] = AWAY
    elif not choose_account(ACCOUNT, home=home, base=home / "postgres").can_reach(programs() / "postgres"):
        pytest.skip("PostgreSQL's programs are below a private folder of root's")

    def root(*arguments: str) -> int:
        return run(*arguments, **environment).exit_code

    def account(*arguments: str) -> int:
        code, said = somebody.run(*arguments, **environment)
        assert "ermission denied" not in said
        assert "chown" not in said
        assert code != 1, said
        return code

    turns = [root, account] if order == "root first" else [account, root]
    expected = {"embedded": 0, "away": 74}[database]
    for command in ("config", "check"), ("collect",), ("collect",):
        for turn in turns:
            assert turn(*command) == expected, (turn.__name__, command)
            assert owners(home) == {ACCOUNT}
    assert (home / "http" / "requests.ring").exists()


def test_a_home_that_a_former_version_broke_is_named_to_the_account_and_mended_by_root(
    run: Run, somebody: Somebody, folder: Path, api: Mapping[str, str]
) -> None:
    home = folder / "home"
    environment = {**api, "IRONFORGE_HOME": str(home), "HOME": str(folder), "IRONFORGE_DATABASE_URL": AWAY}
    assert somebody.run("collect", **environment)[0] == 74
    for path in (home / "locks", *(home / "locks").iterdir(), home / "spool" / "log-rows.jsonl"):
        os.chown(path, 0, 0)
    code, said = somebody.run("collect", **environment)
    account = pwd.getpwnam(ACCOUNT)
    assert f"chown -hR {account.pw_uid}:{account.pw_gid} {home}/locks" in said
    assert code == 78
    run("config", "check", **environment)
    assert owners(home) == {ACCOUNT}
    code, said = somebody.run("collect", **environment)
    assert (code, "chown" in said) == (74, False)


@pytest.mark.parametrize("place", ["", "locks", "spool", "spool/eu", "http", "errors.log", "postgres"])
def test_a_link_that_an_account_puts_in_the_place_of_ours_leads_root_nowhere(
    run: Run, folder: Path, api: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    account = pwd.getpwnam(ACCOUNT)
    home, precious = folder / "home", folder.parent / "precious"
    precious.mkdir(mode=0o700)
    (precious / "file").write_text("root's alone", encoding="ascii")
    target = precious / "file" if place == "errors.log" else precious
    link = home / place
    for path in (*reversed(link.parents), link):
        if path.is_relative_to(home) and path != link:
            path.mkdir(mode=0o700)
            os.chown(path, account.pw_uid, account.pw_gid)
    link.symlink_to(target)
    os.chown(link, account.pw_uid, account.pw_gid, follow_symlinks=False)
    if place == "errors.log":
        monkeypatch.delattr("ironforge_cli.jobs.collecting.collect.collect")
    environment = {**api, "IRONFORGE_HOME": str(home), "HOME": str(folder)}
    if place != "postgres":
        environment["IRONFORGE_DATABASE_URL"] = AWAY
    done = run("collect", **environment)
    # Without its cache a run asks Blizzard as ever.
    assert done.exit_code == {"errors.log": 1, "http": 74}.get(place, 78)
    assert [path.name for path in precious.iterdir()] == ["file"]
    assert (precious / "file").read_text(encoding="ascii") == "root's alone"
    assert {path.lstat().st_uid for path in (precious, precious / "file")} == {0}
