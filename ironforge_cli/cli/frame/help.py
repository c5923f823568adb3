"""Help as plain text, as wide as the terminal: no library that draws is waited for, and any encoding can write it."""

from __future__ import annotations

import inspect
import shutil
import sys
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand, TyperGroup

from ironforge_cli.cli.frame.plain_values import read_plainly

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS: Final = "https://pypi.org/project/ironforge-cli"
EXAMPLE: Final = "Example: "
_WIDEST: Final = 100
_NARROWEST: Final = 40
_LONGEST_NAMES: Final = 26
_GAP: Final = 2
# Names without a short form stand below the long ones of others.
_WITHOUT_SHORT: Final = "    "


class Heading(StrEnum):
    """What commands stand below in the program's help, in this order."""

    COLLECT = "Collect"
    ASK = "Ask"
    KEEP = "Keep"
    TRY = "Try"


class ReadableCommand(TyperCommand):
    """A command whose help is written here."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, the plain ones without a library."""
        read_plainly(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the command."""
        formatter.write(page(self, ctx))


class ReadableGroup(TyperGroup):
    """A group of commands whose help is written here."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, the plain ones without a library."""
        read_plainly(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group."""
        formatter.write(page(self, ctx))


def page(command: Any, context: Any, *, others: tuple[Any, Any] | None = None) -> str:
    """The help of a command or a group: what it does, examples, what it takes; `others` are a group and its context."""
    width = max(min(shutil.get_terminal_size().columns, _WIDEST), _NARROWEST)
    said, examples = split_examples(command.help or "")
    parts = [_wrapped(_usage(command, context), width=width, indent="       ")]
    parts += [_wrapped(paragraph, width=width) for paragraph in said]
    if examples:
        parts.append("\n".join(["Examples:" if len(examples) > 1 else "Example:", *(f"  {call}" for call in examples)]))
    commands, options = _sections_of_commands(*(others or (command, context))), _sections_of_options(command, context)
    for of_a_kind in (commands, options):
        longest = max((len(names) for _, rows in of_a_kind for names, _ in rows), default=0)
        names_width = min(longest, _LONGEST_NAMES)
        parts += [
            "\n".join([f"{title}:", *(_row(names, text, names_width=names_width, width=width) for names, text in rows)])
            for title, rows in of_a_kind
        ]
    parts += [_wrapped(paragraph, width=width) for paragraph in (command.epilog or "").split("\n\n") if paragraph]
    return "\n\n".join(parts) + "\n"


def split_examples(text: str) -> tuple[list[str], list[str]]:
    r"""The paragraphs of a docstring, each in one line, and the calls of its `Example: ` lines.

    >>> split_examples("Do it.\n\nIn two\nlines.\n\nExample: ironforge do\nExample: ironforge do --all")
    (['Do it.', 'In two lines.'], ['ironforge do', 'ironforge do --all'])
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    said = [" ".join(part.split()) for part in paragraphs if part and not part.startswith(EXAMPLE)]
    lines = [line for part in paragraphs if part.startswith(EXAMPLE) for line in part.splitlines()]
    return said, [line.removeprefix(EXAMPLE) for line in lines]


def documentation() -> str:
    """Where this version's documentation is, on this machine and elsewhere."""
    package = Path(__file__).resolve().parents[2]
    places = (package.with_name("docs"), Path(sys.prefix) / "share" / "doc" / "ironforge-cli")
    found = next((place for place in places if (place / "exit-codes.md").exists()), None)
    if found is None:
        return f"Documentation, and what each exit code means: {ADDRESS}"
    return f"Documentation: {found} and {ADDRESS}\n\nExit codes: {found / 'exit-codes.md'}"


def names_of(parameter: Any) -> str:
    """An option's names and what stands for its value; an argument's word."""
    if parameter.param_type_name == "argument":
        return _word(parameter)
    names = sorted([*parameter.opts, *parameter.secondary_opts], key=len)
    before = "" if len(names[0]) == len("-h") else _WITHOUT_SHORT
    value = "" if takes_no_value(parameter) else f" {parameter.metavar or 'VALUE'}"
    return before + ", ".join(names) + value


def takes_no_value(parameter: Any) -> bool:
    """Whether an option is a switch."""
    return bool(getattr(parameter, "is_flag", False) or getattr(parameter, "count", False))


def choices_of(parameter: Any, context: Any) -> tuple[str, ...]:
    """The words that an option takes, where it takes no others."""
    text = str(parameter.display_type(context))
    return tuple(text.strip("<>").split("|")) if "|" in text and "[" not in text else ()


def _usage(command: Any, context: Any) -> str:
    words = [f"Usage: {context.command_path.strip()}"]
    if hasattr(command, "commands"):
        words += ["[OPTIONS]", "COMMAND", "..."] if context.parent is None else ["COMMAND", "..."]
    else:
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        words += ["[OPTIONS]", *(_word(one) if one.required else f"[{_word(one)}]" for one in arguments)]
    return " ".join(words)


def _word(argument: Any) -> str:
    return f"{argument.metavar or argument.name.upper()}{'' if argument.nargs == 1 else '...'}"


def _sections_of_commands(command: Any, context: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    if not hasattr(command, "commands"):
        return []
    sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in Heading}
    for name in command.list_commands(context):
        one = command.get_command(context, name)
        if not one.hidden:
            sections.setdefault(one.rich_help_panel or "Commands", []).append((name, _first(one.help)))
    return [(title, rows) for title, rows in sections.items() if rows]


def _first(text: str | None) -> str:
    return " ".join((text or "").partition("\n\n")[0].split())


def _sections_of_options(command: Any, context: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        if not parameter.hidden:
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            title = parameter.rich_help_panel or usual
            sections.setdefault(title, []).append((names_of(parameter), _says(parameter, context)))
    return sorted(sections.items(), key=lambda section: section[0] not in {"Arguments", "Options"})


def _says(parameter: Any, context: Any) -> str:
    return " ".join([parameter.help or "", *_notes(parameter, context)]).strip()


def _notes(parameter: Any, context: Any) -> Iterator[str]:
    if takes_no_value(parameter):
        return
    choices = choices_of(parameter, context)
    default = getattr(parameter.default, "value", parameter.default)
    shown = str(default) if isinstance(default, str | int | float) else ""
    notes = [
        ", ".join(choices),
        limits(getattr(parameter, "min", None), getattr(parameter, "max", None)),
        f"default: {shown}" if shown else "",
        "required" if parameter.required and parameter.param_type_name == "option" else "",
    ]
    yield from (f"({note})" for note in ["; ".join(note for note in notes if note)] if note)


def limits(least: float | None, most: float | None) -> str:
    """What a number may be.

    >>> limits(0, 36_500), limits(1, None)
    ('0 to 36,500', 'at least 1')
    """
    if least is not None and most is not None:
        return f"{least:,} to {most:,}"
    return f"at least {least:,}" if least is not None else ""


def _row(names: str, text: str, *, names_width: int, width: int) -> str:
    column = _GAP + names_width + _GAP
    lines = _lines(text, width=width - column) or [""]
    first = f"{' ' * _GAP}{names}"
    head = [first] if len(names) > names_width else []
    if not head:
        lines[0] = first.ljust(column) + lines[0]
        return "\n".join([lines[0].rstrip(), *(" " * column + line for line in lines[1:])])
    return "\n".join([*head, *(" " * column + line for line in lines)])


def _wrapped(text: str, *, width: int, indent: str = "") -> str:
    return "\n".join(_lines(text, width=width, indent=indent))


def _lines(text: str, *, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width=width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
