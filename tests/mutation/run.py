"""Plants mistakes in modules, one at a time, and says which the tests nearest to them leave unnoticed.

    uv run python -m tests.mutation.run ironforge_cli/market/hours.py
    uv run python -m tests.mutation.run ironforge_cli/jobs/health/rules.py --tests tests/jobs/health --sample 40
    uv run python -m tests.mutation.run ironforge_cli/jobs/collecting/poll.py --lines 200-240 --then tests/jobs

The tests run in a copy of this checkout, against a server that is started once. Each mistake has a process that is
forked off one that has the libraries loaded already, so that it costs little more than the tests that notice it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from tests.mutation.mutants import mutants_of
from tests.mutation.nearest import nearest_tests

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tests.mutation.mutants import Mutant

REPOSITORY: Final = Path(__file__).resolve().parents[2]
# What the tests import of others' is the same for every mistake.
_LOADED: Final = (
    "hypothesis",
    "numpy",
    "psycopg",
    "pydantic",
    "pytest",
    "requests_cache",
    "rich.progress",
    "sqlalchemy.dialects.postgresql",
    "typer.testing",
    "alembic.command",
    "xdist",
    "_pytest.assertion.rewrite",
)
_COPIED: Final = (
    "ironforge_cli",
    "tests",
    "alembic",
    "alembic.ini",
    "pyproject.toml",
    "crontab.example",
    "docs",
    "README.md",
    "CHANGELOG.md",
)
_PLAIN: Final = ("-x", "-q", "-n0", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-W", "ignore")
# A mistake can make a test wait for what never comes.
_PATIENCE: Final = 3.0
_AT_LEAST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Planted:
    """What became of one mistake."""

    module: Path
    mutant: Mutant
    verdict: str
    """`noticed`, `hung` (noticed, too: a test has an end) or `lives`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant, run, print; 1 where a mistake lives."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="+", type=Path)
    parser.add_argument("--tests", nargs="+", default=None, help="run these instead of the nearest ones")
    parser.add_argument("--then", nargs="+", default=[], help="run these for what the first ones leave")
    parser.add_argument("--sample", type=int, default=None, help="plant so many of a module's, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", default=None, help="plant in these lines alone, such as 100-180")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="only show what would be planted")
    options = parser.parse_args(arguments)
    chosen = {module: _chosen(module, options) for module in options.modules}
    if options.list:
        for module, mutants in chosen.items():
            for mutant in mutants:
                print(f"{module}:{mutant}")  # noqa: T201 - what was asked for
        return 0
    with _server() as address:
        os.environ["RUNNING_SERVER"] = address
        planted = [
            found
            for module, mutants in chosen.items()
            for found in _of_module(module, mutants, tests=options.tests, then=options.then, workers=options.workers)
        ]
    print(_table(planted))  # noqa: T201 - what was asked for
    return int(any(found.verdict == "lives" for found in planted))


def _chosen(module: Path, options: argparse.Namespace) -> list[Mutant]:
    mutants = mutants_of((REPOSITORY / module).read_text(encoding="utf-8"))
    if options.lines:
        first, _, last = str(options.lines).partition("-")
        mutants = [mutant for mutant in mutants if int(first) <= mutant.line <= int(last or first)]
    if options.sample is not None and options.sample < len(mutants):
        # The same mistakes each time, so that before and after can be compared.
        drawn = random.Random(f"{options.seed} {module}").sample(mutants, options.sample)  # noqa: S311 - no secret
        mutants = sorted(drawn, key=lambda mutant: mutant.line)
    return mutants


def _of_module(
    module: Path, mutants: Sequence[Mutant], *, tests: Sequence[str] | None, then: Sequence[str], workers: int
) -> list[Planted]:
    stages = [list(tests) if tests else nearest_tests(module), list(then)]
    stages = [stage for stage in stages if stage]
    free: SimpleQueue[Path] = SimpleQueue()
    with contextlib.ExitStack() as copies, ThreadPoolExecutor(max_workers=workers) as pool:
        for _ in range(workers):
            free.put(copies.enter_context(_copy()))
        copy = free.get()
        limits: list[float] = []
        for stage in stages:
            started = time.monotonic()
            if _run(copy, stage, limit=3600.0) != "lives":
                raise SystemExit(f"{module}: {' '.join(stage)} fail without any mistake planted")
            limits.append(max(_AT_LEAST, _PATIENCE * (time.monotonic() - started)))
        free.put(copy)

        def plant(mutant: Mutant) -> Planted:
            copy = free.get()
            file = copy / module
            original = file.read_text(encoding="utf-8")
            try:
                file.write_text(mutant.source, encoding="utf-8")
                verdict = "lives"
                for stage, limit in zip(stages, limits, strict=True):
                    verdict = _run(copy, stage, limit=limit)
                    if verdict != "lives":
                        break
            finally:
                file.write_text(original, encoding="utf-8")
                free.put(copy)
            if verdict == "lives":
                print(f"lives: {module}:{mutant}", flush=True)  # noqa: T201 - whoever waits sees how it goes
            return Planted(module, mutant, verdict)

        return list(pool.map(plant, mutants))


def _run(copy: Path, tests: Sequence[str], *, limit: float) -> str:
    """Run tests in a copy, in a process of their own."""
    child = os.fork()
    if child == 0:
        _be_tested(copy, tests)
    ends = time.monotonic() + limit
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            return "lives" if os.waitstatus_to_exitcode(status) == 0 else "noticed"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


def _be_tested(copy: Path, tests: Sequence[str]) -> None:
    """Become the process that runs tests in a copy; doesn't come back."""
    code = 1
    try:
        os.setsid()
        os.chdir(copy)
        os.environ["PYTHONPATH"] = str(copy)
        os.environ["TMPDIR"] = tempfile.tempdir = str(copy / "tmp")
        sys.dont_write_bytecode = (copy / ".written").exists()
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1" if sys.dont_write_bytecode else ""
        sys.path[:] = [str(copy), *(path for path in sys.path if path not in {"", str(REPOSITORY)})]
        for name in [name for name in sys.modules if name.partition(".")[0] in {"tests", "ironforge_cli"}]:
            del sys.modules[name]
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        import pytest  # noqa: PLC0415 - loaded before the fork

        code = int(pytest.main([*_PLAIN, *tests]))
        (copy / ".written").touch()
    finally:
        os._exit(code)


@contextlib.contextmanager
def _copy() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="planted-"))
    try:
        folder.chmod(0o711)
        for name in _COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, folder / name, symlinks=True)
            else:
                shutil.copy2(source, folder / name)
        (folder / "tmp").mkdir()
        (folder / "tmp").chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _server() -> Generator[str]:
    """A server that all the tests share, and what they find it by."""
    command = [sys.executable, "-m", "tests.servers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        if process.stdout is None or process.stdin is None:
            raise TypeError("both are pipes")
        address = process.stdout.readline().strip()
        try:
            yield address
        finally:
            process.stdin.close()


def _table(planted: Sequence[Planted]) -> str:
    lines = [f"{'module':<50} planted  noticed  share"]
    by_module: dict[Path, list[Planted]] = {}
    for found in planted:
        by_module.setdefault(found.module, []).append(found)
    for module, of_module in [*by_module.items(), (Path("all"), list(planted))]:
        counts = Counter(found.verdict for found in of_module)
        noticed = len(of_module) - counts["lives"]
        lines.append(f"{module!s:<50} {len(of_module):>7}  {noticed:>7}  {noticed / max(1, len(of_module)):>5.0%}")
    return "\n".join(lines)


if __name__ == "__main__":
    for _name in _LOADED:
        importlib.import_module(_name)
    sys.exit(main())
