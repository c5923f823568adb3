"""How the project is put together: what reads what, what may stand where, and that nothing drifts unseen."""

from __future__ import annotations

import ast
import logging
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from importlinter.cli import lint_imports

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "ironforge_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))
MIGRATIONS = sorted((REPOSITORY / "alembic").rglob("*.py"))
# Spark's is a program of its own, with a top of its own.
TOPS = [PACKAGE / "archive" / "spark.py"]
BELOW_CLI = [
    module for module in MODULES if module.parent.relative_to(PACKAGE).parts[:1] != ("cli",) and module not in TOPS
]

LONGEST_FILE = 450
# What the environment and the clock would come in by, were they not passed down.
FROM_OUTSIDE = {
    "os.environ",
    "os.getenv",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
}
UNSEEDED = ("random.", "secrets.")


def name_of(file: Path) -> str:
    return file.relative_to(REPOSITORY).as_posix()


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case _:
                pass


def dotted(node: ast.AST) -> str:
    """The name that an expression such as `os.environ` is, or an empty string."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            before = dotted(value)
            return f"{before}.{attribute}" if before else ""
        case _:
            return ""


def project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def test_imports_keep_the_contracts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(REPOSITORY)
    # The linter switches every logger off that there is, for all tests that come after it in this process.
    loggers = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    were = {logger: logger.disabled for logger in loggers}
    try:
        code = lint_imports(config_filename=str(REPOSITORY / "pyproject.toml"), no_cache=True)
    finally:
        for logger, disabled in were.items():
            logger.disabled = disabled
    assert code == 0, capsys.readouterr().out


def test_every_module_says_what_it_is_for() -> None:
    silent = [name_of(file) for file in (*MODULES, *MIGRATIONS) if not ast.get_docstring(parsed(file))]
    assert silent == []


def test_every_module_postpones_its_annotations() -> None:
    def wants_it(file: Path) -> bool:
        return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(parsed(file)))

    # To parse every file costs seconds; nearly all say it in so many words.
    postpones = re.compile(r"^from __future__ import annotations$", re.MULTILINE)
    eager = [
        name_of(file)
        for file in (*MODULES, *TESTS, *MIGRATIONS)
        if not postpones.search(file.read_text(encoding="utf-8")) and wants_it(file)
    ]
    assert eager == []


def test_no_file_is_long() -> None:
    lengths = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in (*MODULES, *TESTS)}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_nothing_hides_the_library_alembic() -> None:
    assert not (REPOSITORY / "alembic" / "__init__.py").exists()


def test_no_lock_file_is_kept() -> None:
    assert "uv.lock" in (REPOSITORY / ".gitignore").read_text(encoding="utf-8").splitlines()
    if not (REPOSITORY / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git checkout, or there is no git")
    listed = ["git", "-c", f"safe.directory={REPOSITORY}", "ls-files", "uv.lock"]
    kept = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert kept.stdout == ""


def test_nobody_imports_click() -> None:
    found = [
        (name_of(file), name)
        for file in (*MODULES, *TESTS, *MIGRATIONS)
        if "click" in file.read_text(encoding="utf-8")
        for name in imported(parsed(file))
        if re.match(r"(typer\._)?click\b", name)
    ]
    assert found == []


def from_outside(tree: ast.Module) -> set[str]:
    """What a module takes from outside by itself, instead of being given it.

    To name a source of randomness as a parameter's default is no more than to pass it on; to call it is.
    """
    taken = FROM_OUTSIDE.intersection(imported(tree))
    for node in ast.walk(tree):
        name = dotted(node)
        taken |= {outside for outside in FROM_OUTSIDE if name == outside or name.endswith(f".{outside}")}
        if isinstance(node, ast.Call) and dotted(node.func).startswith(UNSEEDED):
            taken.add(dotted(node.func))
    return taken


def test_the_environment_the_clock_and_randomness_enter_at_the_top() -> None:
    found = {name_of(file): taken for file in BELOW_CLI if (taken := from_outside(parsed(file)))}
    assert found == {}


def test_the_check_of_what_comes_from_outside_finds_it() -> None:
    assert from_outside(ast.parse("import os\nprint(os.environ['HOME'])")) == {"os.environ"}
    assert from_outside(ast.parse("from os import environ")) == {"os.environ"}
    assert from_outside(ast.parse("import datetime\ndatetime.datetime.now()")) == {"datetime.now"}
    assert from_outside(ast.parse("import random\nrandom.random()")) == {"random.random"}
    assert from_outside(ast.parse("rng = np.random.default_rng(seed)")) == set()


def test_migrations_do_not_import_the_package() -> None:
    versions = [file for file in MIGRATIONS if file.parent.name == "versions"]
    assert versions
    found = [
        name_of(file) for file in versions if any(name.startswith("ironforge_cli") for name in imported(parsed(file)))
    ]
    assert found == []


def test_every_suppression_says_why() -> None:
    # Why commands import what they need when they run stands in cli/command.py, once for all of them.
    late_import = "noqa: PLC0415"
    marks = re.compile(r"# ((?:noqa|type: ignore|pyright: ignore)\b.*)")
    bare = [
        f"{name_of(file)}:{number}"
        for file in (*MODULES, *TESTS, *MIGRATIONS)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        for mark in marks.findall(line)
        if " - " not in mark and mark != late_import and file != Path(__file__)
    ]
    assert bare == []


def test_a_class_has_a_name_that_no_other_has() -> None:
    places: dict[str, set[str]] = {}
    for module in MODULES:
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, set()).add(name_of(module))
    assert {name: sorted(found) for name, found in places.items() if len(found) > 1} == {}


# Dependencies


def distribution_name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")


def declared() -> set[str]:
    """What the project and its tests ask for themselves."""
    described = project()
    asked = [*described["project"]["dependencies"], *described["dependency-groups"]["dev"]]
    return {distribution_name(requirement) for requirement in asked}


def installed_closure(names: set[str]) -> set[str]:
    """These distributions and all that they need, as far as they are installed here."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            # Of another platform or Python.
            continue
        found.add(name)
        waiting |= {distribution_name(one) for one in requires if "extra ==" not in one} - found
    return found


def test_every_dependency_is_pinned_to_one_version() -> None:
    constraints = project().get("tool", {}).get("uv", {}).get("constraint-dependencies")
    if constraints is None:
        pytest.skip("pyproject.toml has no constraint-dependencies")
    loose = [constraint for constraint in constraints if not re.match(r"[\w.-]+==[\w.]+\s*(;|$)", constraint)]
    assert loose == []
    pinned = {distribution_name(constraint) for constraint in constraints}
    # The project's own extra is one of its development dependencies.
    assert installed_closure(declared()) - pinned - {project()["project"]["name"]} == set()


def test_homes_that_paths_name_are_looked_up_where_their_lack_is_told() -> None:
    # `expanduser` raises RuntimeError for an account that there is not.
    found = {str(module.relative_to(PACKAGE)) for module in MODULES if ".expanduser()" in module.read_text("utf-8")}
    assert found == {"given.py", "archive/store.py"}
