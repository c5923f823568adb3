"""Calls of `ironforge` that texts quote, and whether the program would understand them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import documentation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.documentation import Command, Option

_ALTERNATIVES = re.compile(r"[\w-]+(\|[\w-]+)+")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
_OPERATORS = {"&&", "||", "|", ";", ">", "&"}
_RUNNERS = {"uv", "run", "env", "-i"}


@dataclass(frozen=True, slots=True)
class Quoted:
    """A call of the program: what stands after its name."""

    arguments: tuple[str, ...]

    def problem(self) -> str | None:
        """Why the program would not understand it; None where it would."""
        if any("…" in argument for argument in self.arguments):
            return None
        command, rest = self._command()
        if command is None:
            return None if self._is_group() or not rest else f"no command {' '.join(self.arguments)!r}"
        return _problem_with(command.options, rest)

    def _command(self) -> tuple[Command | None, tuple[str, ...]]:
        shared = {name for option in documentation.root_options() for name in option.names}
        arguments = self.arguments
        while arguments and arguments[0] in shared | {"--help", "-h"}:
            arguments = arguments[1:]
        fitting = [one for one in documentation.commands() if arguments[: len(one.words)] == one.words]
        if not fitting:
            return None, arguments
        # A group's name may be a command, too.
        command = max(fitting, key=lambda one: len(one.words))
        return command, arguments[len(command.words) :]

    def _is_group(self) -> bool:
        return any(command.words[: len(self.arguments)] == self.arguments for command in documentation.commands())


def _problem_with(options: Sequence[Option], arguments: Sequence[str]) -> str | None:
    named = {name: option for option in options for name in option.names}
    takes_arguments = any(not option.names for option in options)
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument in {"--help", "-h"}:
            continue
        if not argument.startswith("-") or argument == "-":
            if not takes_arguments:
                return f"the argument {argument!r} has no place"
            continue
        if argument not in named:
            return f"no option {argument!r}"
        option = named[argument]
        if option.value is None:
            continue
        value = waiting.pop(0) if waiting else ""
        if not value or (option.choices and value not in option.choices):
            return f"{argument} {value!r}"
    return None


def quoted_calls(line: str) -> list[Quoted]:
    """The calls of `ironforge` in a line of shell."""
    inner = [call for part in _SUBSTITUTION.findall(line) for call in quoted_calls(part)]
    lexer = shlex.shlex(_SUBSTITUTION.sub("substituted", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[Quoted] = []
    command: list[str] = []
    for token in [*lexer, ";"]:
        if token not in _OPERATORS:
            command.append(token)
            continue
        words = list(command)
        while words and (words[0] in _RUNNERS or _ASSIGNMENT.fullmatch(words[0])):
            words.pop(0)
        if words and words[0].rpartition("/")[2] == "ironforge":
            found.append(Quoted(tuple(words[1:])))
        elif words[:4] == [*words[:1], "run", "ironforge", *words[3:4]]:
            found.append(Quoted(tuple(words[3:])))
        command = []
    return [*found, *inner]


def in_span(span: str) -> list[Quoted]:
    """The calls that a span of text quotes: of `db start|stop` each."""
    if not re.match(r"(uv run )?ironforge( |$)", span):
        return []
    alternatives = _ALTERNATIVES.search(span)
    if alternatives is None or span[: alternatives.start()].endswith(("--format ", "--log-format ")):
        return quoted_calls(_ALTERNATIVES.sub("table", span))
    return [
        call for word in alternatives[0].split("|") for call in quoted_calls(_ALTERNATIVES.sub(word, span, count=1))
    ]
