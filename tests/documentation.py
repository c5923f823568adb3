"""The parts of the documentation that are written from the code, so that they can't say anything else.

`uv run python -m tests.documentation` writes them anew; with `--check` it changes nothing, names the pages that are out
of date, and exits 1 where there are any. In a page such a part stands between `<!-- generated: NAME -->` and
`<!-- end of generated -->`; what is around it is written by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, get_args, get_origin, get_type_hints

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table
from sqlalchemy.dialects import postgresql
from typer.models import ArgumentInfo, DefaultPlaceholder, OptionInfo

from ironforge_cli.cli.app import app
from ironforge_cli.cli.frame.completing import SCRIPTS, Shell
from ironforge_cli.cli.frame.help import split_examples
from ironforge_cli.cli.frame.lazy import OWN
from ironforge_cli.cli.show.prometheus import METRICS
from ironforge_cli.config import ROOT_HOME, SETTINGS, Settings, shown, variable_names
from ironforge_cli.db.models import REGIONAL, whole_schema
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.regions import Region
from ironforge_cli.sandbox.faults import ENDPOINTS, FAULTS
from ironforge_cli.sandbox.market_kinds import MARKETS
from ironforge_cli.setting_values import WholeNumber
from tests.cli.tree import function_of
from tests.jobs.faults import as_markdown
from tests.manual_page import manual_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typer import Typer

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PAGES: Final = REPOSITORY / "docs"
SHARED_FILES: Final = REPOSITORY / "share"
COMMAND: Final = "uv run python -m tests.documentation"
SHARED_PANEL: Final = "Shared options"

_PART: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)
_REGION_IN_NAME: Final = re.compile(rf"(?:(?<=_)|^)({'|'.join(Region)})(?=_|$)")
_Declared: TypeAlias = OptionInfo | ArgumentInfo
_DIALECT: Final = postgresql.dialect()


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command, or an argument, as it is declared."""

    names: tuple[str, ...]
    """Empty for an argument."""
    help: str
    value: str | None
    """What stands for its value; None for a switch."""
    choices: tuple[str, ...]
    default: str | None
    repeatable: bool
    shared: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command, as it is declared: the words after `ironforge`, its help, and what it takes."""

    words: tuple[str, ...]
    help: str
    options: tuple[Option, ...]

    @property
    def name(self) -> str:
        """The whole of it, as it is typed."""
        return " ".join(("ironforge", *self.words))


@cache
def commands() -> tuple[Command, ...]:
    """Every command of the program, in the order of its table of contents."""
    return tuple(_commands_of(app, ()))


@cache
def root_options() -> tuple[Option, ...]:
    """The options that stand before a command's name."""
    callback = app.registered_callback.callback if app.registered_callback else None
    return _options_of(callback) if callback else ()


def _commands_of(group: Typer, words: tuple[str, ...]) -> Iterator[Command]:
    for declared in group.registered_commands:
        if declared.name is None:
            raise ValueError(f"a command below {words} has no name")
        function = function_of(declared)
        own = words if declared.name == OWN else (*words, declared.name)
        yield Command(own, inspect.getdoc(function) or "", _options_of(function))
    for inner in group.registered_groups:
        if inner.typer_instance is None or isinstance(inner.name, DefaultPlaceholder) or inner.name is None:
            raise ValueError(f"a group below {words} has no commands or no name")
        yield from _commands_of(inner.typer_instance, (*words, inner.name))


def _options_of(function: Callable[..., Any]) -> tuple[Option, ...]:
    # The frame around commands gives them a signature whose annotations are evaluated already.
    written = getattr(function, "__signature__", None)
    hints: dict[str, Any] = (
        {name: parameter.annotation for name, parameter in written.parameters.items()}
        if written is not None
        else get_type_hints(inspect.unwrap(function), include_extras=True, localns={"typer": sys.modules["typer"]})
    )
    found: list[Option] = []
    for name, parameter in inspect.signature(function).parameters.items():
        annotation, *declared = get_args(hints[name]) or (hints[name],)
        found += [_option(info, annotation, parameter.default) for info in declared if isinstance(info, _Declared)]
    return tuple(found)


def _option(declared: _Declared, annotation: Any, default: Any) -> Option:
    types = [part for part in (annotation, *get_args(annotation)) if part is not type(None)]
    repeatable = any(get_origin(part) is list for part in types)
    plain = [part for whole in types for part in (*get_args(whole), whole) if isinstance(part, type)]
    choices = next((tuple(kind) for kind in plain if issubclass(kind, StrEnum)), ())
    switch = bool in plain or (isinstance(declared, OptionInfo) and declared.count)
    named = next((kind.__name__.upper() for kind in plain if kind is not type(None)), "TEXT")
    usual = {"STR": "TEXT", "INT": "NUMBER", "FLOAT": "NUMBER", "PATH": "PATH"}
    value = None if switch else "|".join(() if repeatable else choices) or declared.metavar or usual.get(named, named)
    # Where an option stands in an annotation, Typer keeps the first of its names as if it were a default.
    given = (declared.default, *(declared.param_decls or ())) if isinstance(declared, OptionInfo) else ()
    names = tuple(name for name in given if isinstance(name, str))
    return Option(
        names=names,
        help=declared.help or "",
        value=value,
        choices=choices,
        default=None if switch or default in (None, inspect.Parameter.empty) else str(default),
        repeatable=repeatable,
        shared=declared.rich_help_panel == SHARED_PANEL,
    )


def _commands_part() -> str:
    everywhere = [option for option in root_options() if option.shared]
    alone = [option for option in root_options() if not option.shared]
    lines = ["Before or after the name of every command:", "", *_option_table(everywhere), ""]
    lines += ["Before it, or without one:", "", *_option_table(alone), ""]
    for command in commands():
        said, examples = split_examples(command.help)
        lines += [f"## `{command.name}`", "", "\n\n".join(textwrap.fill(part, 120) for part in said), ""]
        own = [option for option in command.options if not option.shared]
        if own:
            lines += [*_option_table(own), ""]
        if examples:
            lines += ["```sh", *examples, "```", ""]
    return "\n".join(lines)


def _option_table(options: Sequence[Option]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for option in options:
        names = ", ".join(f"`{name}`" for name in option.names)
        value = f"`{_cell(option.value)}`" if option.value else ""
        default = f"`{_cell(option.default)}`" if option.default else ""
        more = "…" if option.names and option.repeatable else ""
        rows.append((" ".join(part for part in (names, value, more) if part), default, _cell(option.help)))
    return _table(("option", "default", "meaning"), rows)


def _settings_part() -> str:
    defaults = Settings()
    rows: list[tuple[str, ...]] = []
    for name, described in SETTINGS.items():
        variables = "<br>".join(f"`{variable}`" for variable in variable_names(name))
        value = shown(defaults, name)
        default = "unset" if value is None else f"`{_cell(str(value))}`"
        if name == "home":
            # It depends on who asks, and must not depend on who writes the page.
            default = f"`ironforge` in the user's data folder; for root `{ROOT_HOME}`"
        rows.append((variables, f"`{name}`", default, _cell(described.meaning) + _limits(described.reads)))
    lines = _table(("variable", "key in the file", "default", "meaning"), rows)
    idle = [f"`{variable_names(name)[0]}`" for name in SETTINGS if not _is_acted_on(name)]
    if idle:
        lines += ["", f"Read and checked, though nothing in this version acts on them: {', '.join(idle)}."]
    return "\n".join(lines)


def _is_acted_on(setting: str) -> bool:
    """Whether the composition root or a command reads a setting."""
    reads = re.compile(rf"settings\.{setting}\b|log_setting\(\"{setting}\"|self\.{setting}\b")
    package = REPOSITORY / "ironforge_cli"
    readers = (package / "config.py", *(package / "cli").rglob("*.py"))
    return any(reads.search(file.read_text(encoding="utf-8")) for file in readers)


def _limits(reads: object) -> str:
    return f" ({reads.least:,} to {reads.most:,})" if isinstance(reads, WholeNumber) else ""


def _exit_codes_part() -> str:
    rows = [(f"{int(status)}", f"`{status.name}`", _cell(status.meaning)) for status in ExitStatus]
    return "\n".join(_table(("code", "name in the code", "meaning"), rows))


def _tables_part() -> str:
    alike: dict[str, list[Table]] = {}
    # The market itself first; which region's tables are described already is chance.
    of_regions = [table for tables in REGIONAL for table in tables.values()]
    for table in dict.fromkeys([*of_regions, *whole_schema().tables.values()]):
        alike.setdefault(_REGION_IN_NAME.sub("{region}", table.name), []).append(table)
    lines: list[str] = []
    for tables in alike.values():
        lines += _described(tables)
    return "\n".join(lines)


def _described(tables: Sequence[Table]) -> list[str]:
    """Tell of tables that differ in their region alone."""
    table = tables[0]
    comment = table.comment or ""
    if len(tables) > 1:
        comment = comment.replace(next(iter(Region)).label, " or ".join(region.label for region in Region))
    lines = [f"## {', '.join(f'`{one.name}`' for one in tables)}", "", f"{comment}.", ""]
    rows = [
        (
            f"`{column.name}`",
            _type_name(column.type.compile(dialect=_DIALECT)),
            "yes" if column.nullable else "",
            _cell(column.comment or ""),
        )
        for column in table.columns
    ]
    lines += [*_table(("column", "type", "null", "meaning"), rows), ""]
    keys = [f"Primary key: {_columns(table.primary_key.columns.keys())}."]
    for constraint in table.constraints:
        if isinstance(constraint, ForeignKeyConstraint):
            refers = constraint.referred_table
            keys.append(
                f"{_columns(constraint.column_keys)} refer to `{refers.name}` "
                f"{_columns([element.column.name for element in constraint.elements])}."
            )
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        kind = index.dialect_options["postgresql"]["using"]
        keys.append(f"Index{f' ({kind})' if kind else ''}: {_columns(index.columns.keys())}.")
    partitioned = table.dialect_options["postgresql"].get("partition_by")
    if partitioned:
        keys.append(f"Partitioned by `{partitioned}`, a partition a UTC day, such as `{table.name}_2024_01_15`.")
    checks = sorted(str(one.sqltext) for one in table.constraints if isinstance(one, CheckConstraint))
    keys += [f"Checked: `{check}`." for check in checks]
    return [*lines, *(f"- {key}" for key in keys), ""]


def _type_name(compiled: str) -> str:
    return compiled.lower().replace("timestamp with time zone", "timestamptz")


def _columns(names: Sequence[str]) -> str:
    return f"({', '.join(f'`{name}`' for name in names)})"


def _faults_part() -> str:
    rows: list[tuple[str, ...]] = []
    for fault in FAULTS.values():
        struck = [endpoint for endpoint in ENDPOINTS if fault.strikes(endpoint)]
        where = "the auctions" if struck == ["commodities"] else "every endpoint but `oauth`"
        rows.append((f"`{fault.name}`", where, _cell(fault.description)))
    return "\n".join(_table(("fault", "strikes, unless aimed", "what it does"), rows))


def _markets_part() -> str:
    rows = [(f"`{name}`", _cell(kind.description)) for name, kind in MARKETS.items()]
    return "\n".join(_table(("market", "what is different in it"), rows))


def _endpoints_part() -> str:
    return ", ".join(f"`{endpoint}`" for endpoint in ENDPOINTS) + "."


def _decisions_part() -> str:
    lines: list[str] = []
    for page in sorted((PAGES / "decisions").glob("[0-9]*.md")):
        title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}](decisions/{page.name})")
    return "\n".join(lines)


def _problems_part() -> str:
    rows = [(f"`{kind}`", _cell(kind.meaning), _cell(kind.advice)) for kind in ProblemKind]
    return "\n".join(_table(("kind", "what is wrong", "what to do"), rows))


def _metrics_part() -> str:
    rows = [(f"`{metric.name}`", f"`{metric.label}`" if metric.label else "", _cell(metric.help)) for metric in METRICS]
    return "\n".join(_table(("metric", "label", "meaning"), rows))


def _fault_cases_part() -> str:
    return as_markdown()


PARTS: Final[dict[str, Callable[[], str]]] = {
    "commands": _commands_part,
    "settings": _settings_part,
    "exit-codes": _exit_codes_part,
    "tables": _tables_part,
    "faults": _faults_part,
    "markets": _markets_part,
    "endpoints": _endpoints_part,
    "fault-cases": _fault_cases_part,
    "problems": _problems_part,
    "metrics": _metrics_part,
    "decisions": _decisions_part,
}
"""Every generated part by its name."""


def _cell(text: str) -> str:
    """Text that can stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def outdated_files() -> dict[Path, str]:
    """Files that are written from the code as a whole and differ from it, with what they should hold."""
    shipped = {
        "man/man1/ironforge.1": manual_page(commands(), root_options()),
        "bash-completion/completions/ironforge": SCRIPTS[Shell.BASH],
        "zsh/site-functions/_ironforge": SCRIPTS[Shell.ZSH],
        "fish/vendor_completions.d/ironforge.fish": SCRIPTS[Shell.FISH],
    }
    files = {SHARED_FILES / name: text for name, text in shipped.items()}
    return {file: text for file, text in files.items() if not file.exists() or file.read_text("utf-8") != text}


def pages() -> list[Path]:
    """Every page with a generated part."""
    return [page for page in sorted(PAGES.rglob("*.md")) if _PART.search(page.read_text(encoding="utf-8"))]


def part_names(page: Path) -> list[str]:
    """The names of a page's generated parts."""
    return [cast("str", match[2]) for match in _PART.finditer(page.read_text(encoding="utf-8"))]


def rewritten(page: Path) -> str:
    """A page with its generated parts as they should be; raises `KeyError` for one that nobody writes."""

    def part(match: re.Match[str]) -> str:
        return f"{match[1]}\n{PARTS[match[2]]().strip()}\n\n{match[3]}"

    return _PART.sub(part, page.read_text(encoding="utf-8"))


def outdated() -> list[Path]:
    """The pages that differ from what the code says."""
    return [page for page in pages() if rewritten(page) != page.read_text(encoding="utf-8")]


def main(arguments: Sequence[str]) -> int:
    """Write the outdated pages anew, or only name them."""
    files = outdated_files()
    for file, text in files.items():
        sys.stdout.write(f"{file.relative_to(REPOSITORY)}\n")
        if "--check" not in arguments:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    for page in outdated():
        sys.stdout.write(f"{page.relative_to(REPOSITORY)}\n")
        if "--check" not in arguments:
            page.write_text(rewritten(page), encoding="utf-8")
    if "--check" in arguments and (files or outdated()):
        sys.stdout.write(f"These pages differ from the code. Write them anew: {COMMAND}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
