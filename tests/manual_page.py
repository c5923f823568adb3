"""The manual page `ironforge(1)`, written from what is declared, as docs/commands.md is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ironforge_cli.cli.frame.help import ADDRESS, split_examples
from ironforge_cli.config import SETTINGS, variable_names
from ironforge_cli.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.documentation import Command, Option

_HEAD: Final = '.TH IRONFORGE 1 "" ironforge "User Commands"\n.nh\n.ad l'
_NAME: Final = "collect, keep and explain the World of Warcraft commodity market"


def manual_page(commands: Sequence[Command], everywhere: Sequence[Option]) -> str:
    """The page as roff."""
    lines = [
        _HEAD,
        ".SH NAME",
        f"ironforge \\- {_text(_NAME)}",
        ".SH SYNOPSIS",
        "\\fBironforge\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR ...",
        ".SH DESCRIPTION",
        _text("Data goes to stdout, everything else to stderr. Begin with `ironforge demo`, which needs nothing."),
        ".SH OPTIONS",
        _text("Before or after the name of every command, but --version:"),
        *_options(everywhere),
        ".SH COMMANDS",
    ]
    for command in commands:
        said, examples = split_examples(command.help)
        lines += [f".SS {_text(command.name)}", *(line for part in said for line in (".PP", _text(part)))]
        lines += _options([option for option in command.options if not option.shared])
        if examples:
            lines += [".PP", "Examples:" if len(examples) > 1 else "Example:", ".PP", ".nf", ".RS 4"]
            lines += [*(_text(call) for call in examples), ".RE", ".fi"]
    lines.append(".SH EXIT STATUS")
    for status in ExitStatus:
        lines += [".TP", f"\\fB{int(status)}\\fR", _text(status.meaning)]
    lines.append(".SH ENVIRONMENT")
    for name, described in SETTINGS.items():
        lines += [
            ".TP",
            ", ".join(f"\\fB{_text(one)}\\fR" for one in variable_names(name)),
            _text(described.meaning),
        ]
    lines += [".SH SEE ALSO", _text(ADDRESS)]
    return "\n".join(lines) + "\n"


def _options(options: Sequence[Option]) -> Iterator[str]:
    for option in options:
        names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
        value = f"\\fI{_text(option.value)}\\fR" if option.value else ""
        default = f" (default: {option.default})" if option.default else ""
        yield from (".TP", " ".join(part for part in (names, value) if part), _text(f"{option.help}{default}"))


def _text(text: str) -> str:
    """Text in which nothing is a request or an escape; hyphens stay what a person copies.

    >>> _text(".so --all \\\\ x")
    '\\\\&.so \\\\-\\\\-all \\\\e x'
    """
    escaped = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    escaped = escaped.replace("…", "...")
    escaped = re.sub(r"[^\x00-\x7f]", lambda sign: f"\\[u{ord(sign[0]):04X}]", escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "\\(aq")) else escaped
