"""What the documentation says of the code is true: generated, or held against the code here."""

from __future__ import annotations

import ast
import doctest
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from sqlalchemy import text
from typer.main import get_command

from ironforge_cli.cli.app import app
from ironforge_cli.cli.frame.lazy import OWN
from ironforge_cli.config import CONFIG_VARIABLE, SETTINGS, load, variable_names
from ironforge_cli.db.models import LOG_STATUSES, whole_schema
from ironforge_cli.errors import ExitStatus
from ironforge_cli.market.estimate import estimate
from ironforge_cli.sandbox.faults import FAULTS, Aim
from tests import documentation
from tests.documentation import PAGES, REPOSITORY
from tests.quoted_commands import in_span, quoted_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.stand_in import Sandbox

TEXTS = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted(PAGES.rglob("*.md"))]
CRONTAB = REPOSITORY / "crontab.example"
SOURCES = sorted((REPOSITORY / "ironforge_cli").rglob("*.py"))

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\(\))?")
# Names of other programs and libraries, which look like the project's own.
_OTHERS = {
    "OnTooltipSetItem",
    "TooltipDataProcessor",
    "max_standby_streaming_delay",
    "archive_command",
    "archive_mode",
    "array_agg",
    "default_pool_size",
    "idle_transaction_timeout",
    "pg_dump",
    "pg_locks",
    "pg_restore",
    "write_row",
}


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def fenced(page: Path, *languages: str) -> list[str]:
    return [block for language, block in _FENCED.findall(read(page)) if language in languages]


def fenced_under(page: Path, heading: str) -> list[str]:
    """The blocks of shell in a section of a page."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", read(page), re.MULTILINE | re.DOTALL)
    assert section is not None, f"{name_of(page)} has no section {heading!r}"
    return [block for language, block in _FENCED.findall(section[1]) if language == "sh"]


def code_spans(page: Path) -> list[str]:
    return _CODE.findall(_FENCED.sub("", read(page)))


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


every_text = pytest.mark.parametrize("page", TEXTS, ids=name_of)


# Generated parts


def test_generated_pages_say_what_the_code_says() -> None:
    assert [name_of(page) for page in documentation.outdated()] == [], f"run: {documentation.COMMAND}"


def test_everything_that_is_generated_stands_in_a_page() -> None:
    used = [name for page in documentation.pages() for name in documentation.part_names(page)]
    assert sorted(used) == sorted(documentation.PARTS)


def test_every_command_is_documented_and_in_the_changelog() -> None:
    def words(command: Any, before: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield before
            return
        for name, below in inner.items():
            yield from words(below, before if name == OWN else (*before, name))

    # Typer's own view, not the generator's.
    found = list(words(get_command(app), ("ironforge",)))
    headings = [line for line in read(PAGES / "commands.md").splitlines() if line.startswith("## ")]
    assert sorted(headings) == sorted(f"## `{' '.join(command)}`" for command in found)
    changes = read(REPOSITORY / "CHANGELOG.md")
    assert [name for _, name, *_ in found if f"ironforge {name}" not in changes] == []


def test_every_command_says_how_it_is_used() -> None:
    silent = [command.name for command in documentation.commands() if "\nExample: " not in command.help]
    assert silent == []
    without_help = [
        f"{command.name} {option.names}"
        for command in documentation.commands()
        for option in command.options
        if not option.help
    ]
    assert without_help == []


def test_every_setting_is_documented() -> None:
    page = read(PAGES / "settings.md")
    known = [variable for setting in SETTINGS for variable in variable_names(setting)]
    assert [variable for variable in (*known, CONFIG_VARIABLE) if f"`{variable}`" not in page] == []


def test_every_exit_code_is_documented_and_has_advice() -> None:
    reference, operations = read(PAGES / "exit-codes.md"), read(PAGES / "operations.md")
    advice = operations.partition("## What each exit code asks for")[2].partition("\n## ")[0]
    first_cells = [row.split("|")[1] for row in advice.splitlines() if row.startswith("| ")]
    advised = {int(number) for cell in first_cells for number in re.findall(r"\d+", cell)}
    assert advised == {int(status) for status in ExitStatus}
    assert [status for status in ExitStatus if f"| {int(status)} | `{status.name}` |" not in reference] == []


def test_every_table_and_column_is_documented() -> None:
    page = read(PAGES / "tables.md")
    for table in whole_schema().tables.values():
        assert f"`{table.name}`" in page
        assert [column.name for column in table.columns if f"| `{column.name}` |" not in page] == []
        assert table.comment
        assert [column.name for column in table.columns if not column.comment] == []


def test_every_status_of_a_log_row_is_explained() -> None:
    page = read(PAGES / "operations.md")
    assert [status for status in LOG_STATUSES if f"| `{status}` |" not in page] == []


def test_every_fault_and_every_way_to_aim_it_is_documented() -> None:
    page = read(PAGES / "sandbox.md")
    assert [name for name in FAULTS if f"| `{name}` |" not in page] == []
    aims = [field.name for field in fields(Aim) if field.name != "name"]
    assert [aim for aim in aims if f"`{aim}`" not in page] == []


# Links


def anchors(page: Path) -> set[str]:
    headings = [line.lstrip("#").strip() for line in _FENCED.sub("", read(page)).splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_text
def test_links_lead_somewhere(page: Path) -> None:
    broken: list[str] = []
    for link in _LINK.findall(_FENCED.sub("", read(page))):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = page if not file else (page.parent / file).resolve()
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


# Commands that are quoted


@every_text
def test_quoted_commands_can_be_typed(page: Path) -> None:
    blocks = [line for block in fenced(page, "sh") for line in block.splitlines()]
    # Blocks without a language show output, or cron lines whose first five fields are times.
    shown = [line.strip() for block in fenced(page, "") for line in block.splitlines()]
    blocks += [re.sub(r"^(\S+\s+){5}(?=ironforge )", "", line) for line in shown if " ironforge " in f" {line}"]
    calls = [call for line in blocks for call in quoted_calls(line)]
    calls += [call for span in code_spans(page) for call in in_span(span)]
    assert [(call, problem) for call in calls if (problem := call.problem())] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    first = fenced(REPOSITORY / "README.md", "sh")[0].splitlines()
    assert first[0].startswith("pip install uv && uv run --no-dev ironforge demo")
    assert first[1].startswith("uv run pytest")


def test_the_check_of_quoted_commands_finds_mistakes() -> None:
    def problems(line: str) -> list[str | None]:
        return [call.problem() for call in quoted_calls(line)]

    assert problems('X=1 ironforge -q collect --region eu > /dev/null && psql "$(ironforge db url)"') == [None, None]
    assert problems("ironforge gather") == ["no command 'gather'"]
    assert problems("~/.uv/bin/uv run ironforge collect --region xx") == ["--region 'xx'"]
    assert problems("ironforge collect --fast") == ["no option '--fast'"]
    assert problems("ironforge demo now") == ["the argument 'now' has no place"]
    assert [call.problem() for call in in_span("ironforge db start|begin")] == [None, "no command 'db begin'"]


def texts_in(source: Path) -> Iterator[str]:
    """Every string of a source, docstrings too; what is computed in it stands as …."""
    for node in ast.walk(ast.parse(read(source))):
        match node:
            case ast.Constant(value=str(said)):
                yield said
            case ast.JoinedStr(values=parts):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
            case _:
                pass


def test_commands_that_messages_name_can_be_typed() -> None:
    wrong = [
        (name_of(source), call, problem)
        for source in SOURCES
        for said in texts_in(source)
        for span in _CODE.findall(said)
        for call in in_span(span)
        if (problem := call.problem())
    ]
    assert wrong == []


def test_the_crontab_calls_what_exists_with_variables_that_exist() -> None:
    lines = [line for line in read(CRONTAB).splitlines() if line.strip()]
    settings = [line.lstrip("#") for line in lines if re.match(r"#?[A-Z_]+=", line)]
    jobs = [line for line in lines if not line.startswith("#") and line not in settings]
    known = {variable for setting in SETTINGS for variable in variable_names(setting)}
    assert {line.partition("=")[0] for line in settings} <= known | {"MAILTO", "PATH"}
    assert jobs
    for job in jobs:
        *times, command = job.split(maxsplit=5)
        assert all(re.fullmatch(r"[\d*/,-]+", field) for field in times)
        (call,) = quoted_calls(command)
        assert call.arguments
        assert call.problem() is None


# Names of code


@pytest.fixture(scope="module")
def words_of_the_project() -> set[str]:
    files = [*SOURCES, *(REPOSITORY / "tests").rglob("*.py"), *(REPOSITORY / "alembic").rglob("*.py")]
    files = [file for file in files if file != Path(__file__)]
    named = {word for file in (*files, REPOSITORY / "pyproject.toml") for word in re.findall(r"\w+", read(file))}
    variables = {variable for setting in SETTINGS for variable in variable_names(setting)}
    return (
        named | variables | set(whole_schema().tables) | {part for file in files for part in file.with_suffix("").parts}
    )


@every_text
def test_code_that_is_named_exists(page: Path, words_of_the_project: set[str]) -> None:
    missing: list[str] = []
    for span in code_spans(page):
        if _NAME.fullmatch(span) and re.search(r"_|[a-z][A-Z]|\(\)|\.", span) and span not in _OTHERS:
            words = re.findall(r"\w+", span)
            if not words_of_the_project.issuperset(words) and not list(REPOSITORY.glob(span)):
                missing.append(span)
        # A decision is never edited: it names the place of its day, and a later one says where that went.
        elif page.parent.name == "decisions":
            continue
        elif re.match(r"(ironforge_cli|tests|docs|alembic|\.ci)/", span) and not (REPOSITORY / span).exists():
            missing.append(span)
    assert [span for span in missing if not re.search(r"_\d{4}_\d\d_\d\d$", span)] == []


@every_text
def test_variables_that_are_named_exist(page: Path) -> None:
    known = {variable for setting in SETTINGS for variable in variable_names(setting)}
    named = set(re.findall(r"\b(?:IRONFORGE|BLIZZARD)_[A-Z_]*[A-Z]\b", read(page)))
    assert named <= known | {CONFIG_VARIABLE}


def test_the_example_of_a_config_file_is_one(tmp_path: Path) -> None:
    (example,) = fenced(PAGES / "settings.md", "toml")
    file = tmp_path / "config.toml"
    file.write_text(example, encoding="utf-8")
    loaded = load(options={}, environment={CONFIG_VARIABLE: str(file)})
    assert loaded.warnings == ()
    assert [name for name, source in loaded.sources.items() if source == str(file)] == [
        name for name in SETTINGS if name in tomllib.loads(example)
    ]


def test_queries_of_the_docs_run(database: Database) -> None:
    statements = [
        statement
        for page in TEXTS
        for block in fenced(page, "sql")
        for statement in block.split(";")
        if statement.strip()
    ]
    assert len(statements) > 5
    with database.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_the_sandbox_can_be_told_what_its_page_says(sandbox: Sandbox) -> None:
    url = sandbox.address.control_url.removesuffix("/_sandbox/")
    asked = re.findall(
        r"^\| `(GET|POST|DELETE) (/_sandbox/\S+?)`(?: with `(\{.*?\})`)?", read(PAGES / "sandbox.md"), re.M
    )
    assert len(asked) == 7
    for method, path, body in asked:
        answer = requests.request(method, url + path, data=body, timeout=10)
        assert (method, path, answer.status_code) == (method, path, 200)


# Figures and decisions


def test_the_worked_example_of_the_method_is_that_of_the_doctest() -> None:
    told = " ".join(read(PAGES / "method.md").split())
    for figure in ("**seen 18**", "2.0575 → 2.0625", "= **20**, from **8** to", "**24**"):
        assert figure in told, figure
    (example,) = (one for one in doctest.DocTestFinder().find(estimate) if one.examples)
    wanted = [one.want for one in example.examples if one.want]
    assert wanted == ["[2, 18.0, 2.0625]\n", "[8, 20, 24]\n"]


def test_the_readme_quotes_the_figures_of_the_estimators_page() -> None:
    def figures(page: Path, rule: str) -> list[str]:
        (row,) = (line for line in read(page).splitlines() if line.startswith(f"| {rule} |"))
        return re.findall(r"[\d.]+%", row)

    rules = {"ironforge": "this one"} | {
        rule: rule for rule in ("gone, and not SHORT before", "gone at LONG or VERY_LONG")
    }
    for short, long in rules.items():
        hourly, _, false = figures(PAGES / "estimator.md", long)
        assert figures(REPOSITORY / "README.md", short) == [hourly, false]


def test_the_readme_shows_what_the_demo_prints() -> None:
    (shown,) = (block for block in fenced(REPOSITORY / "README.md", "") if block.startswith("EU "))
    printing = read(REPOSITORY / "ironforge_cli" / "cli" / "commands" / "demo.py")
    heads = re.split(r"\s{2,}", shown.splitlines()[2].strip())
    assert len(heads) == 7
    assert [head for head in heads if head not in printing] == []


def test_decisions_are_numbered_dated_and_short() -> None:
    found = sorted((PAGES / "decisions").glob("*.md"))
    assert [page.name[:4] for page in found] == [f"{number:04d}" for number in range(1, len(found) + 1)]
    for page in found:
        lines = read(page).splitlines()
        assert lines[0].startswith(f"# {page.name[:4]}: ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", lines[2])
        assert len(lines) <= 45


def test_decisions_that_the_code_cites_exist() -> None:
    cited = {
        (name_of(source), number) for source in SOURCES for number in re.findall(r"decisions/(\d{4})", read(source))
    }
    assert [one for one in cited if not list((PAGES / "decisions").glob(f"{one[1]}-*.md"))] == []
