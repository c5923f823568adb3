"""What a shell's Tab completes, answered from what is declared and from small files: no database, no server, no wait.

The scripts do little: they call the program with the words so far, and `_IRONFORGE_COMPLETE` in its environment.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ironforge_cli.cli.frame.help import choices_of, takes_no_value
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

VARIABLE: Final = "_IRONFORGE_COMPLETE"
ITEM_NAMES: Final = Path("completion") / "item-names.txt"
"""Below the home: names of items, one a line, for completion; whoever stores names may write it."""
_MOST_NAMES: Final = 200

Home: TypeAlias = "Callable[[], Path | None]"


def _nowhere() -> None:
    """No home is known."""


class Shell(StrEnum):
    """Shells that are known here."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


SCRIPTS: Final[Mapping[Shell, str]] = {
    Shell.BASH: """# bash completion of ironforge
_ironforge() {
    local IFS=$'\\n'
    COMPREPLY=($(_IRONFORGE_COMPLETE=bash "${COMP_WORDS[0]}" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _ironforge ironforge
""",
    Shell.ZSH: """#compdef ironforge
_ironforge() {
    local -a found
    found=("${(@f)$(_IRONFORGE_COMPLETE=zsh "${words[1]}" "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then
        _describe -V ironforge found
    else
        _files
    fi
}
if [[ "${funcstack[1]}" == _ironforge ]]; then
    _ironforge "$@"
else
    compdef _ironforge ironforge
fi
""",
    Shell.FISH: """# fish completion of ironforge
function __ironforge_complete
    set -lx _IRONFORGE_COMPLETE fish
    set -l words (commandline -opc)
    set -l found ($words[1] $words[2..] (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c ironforge -f -a '(__ironforge_complete)'
""",
}
"""What each shell reads, once."""


def answer(program: Any, shell: Shell, words: Sequence[str], *, home: Home = _nowhere) -> str:
    """What may stand in the place of the last of the words after the program's name, a line each."""
    *before, incomplete = words or [""]
    found = list(completions(program, before, incomplete, home=home))
    match shell:
        case Shell.BASH:
            return "".join(f"{value}\n" for value, _ in found)
        case Shell.ZSH:
            return "".join(f"{value.replace(':', chr(92) + ':')}:{says}\n" for value, says in found)
        case Shell.FISH:
            return "".join(f"{value}\t{says}\n" for value, says in found)


def completions(
    program: Any, words: Sequence[str], incomplete: str, *, home: Home = _nowhere
) -> Iterator[tuple[str, str]]:
    """Words that begin as `incomplete` does, each with what it means; none where the shell knows better, as for files.

    Bash gives `=` as a word of its own.
    """
    walked = _walked(program, words)
    if walked is None:
        return
    context, option, arguments = walked
    incomplete = "" if incomplete == "=" else incomplete
    name, equals, value = incomplete.partition("=")
    if option is not None:
        yield from _values(option, context, incomplete, words, home)
    elif equals and name.startswith("-"):
        yield from (
            (f"{name}={one}", says) for one, says in _values(_waiting(context, name), context, value, words, home)
        )
    elif incomplete.startswith("-"):
        yield from _options(_own(context), incomplete)
    elif hasattr(context.command, "commands"):
        yield from _commands(context, incomplete)
    else:
        takes = [one for one in context.command.params if one.param_type_name == "argument"]
        if takes and (arguments < len(takes) or takes[-1].nargs == -1):
            yield from _values(takes[min(arguments, len(takes) - 1)], context, incomplete, words, home)


def _walked(program: Any, words: Sequence[str]) -> tuple[Any, Any, int] | None:
    """The command that words lead to, the option that waits for its value, and how many arguments there were."""
    context = program.make_context("ironforge", [], resilient_parsing=True)
    option: Any = None
    arguments = 0
    for word in words:
        if word == "=":
            continue
        if word not in getattr(context.command, "commands", {}):
            context = _own(context)
        if option is not None:
            option = None
        elif len(word) > 1 and word.startswith("-"):
            option = None if "=" in word else _waiting(context, word)
        elif hasattr(context.command, "commands"):
            inner = context.command.get_command(context, word)
            if inner is None:
                return None
            context = inner.make_context(word, [], parent=context, resilient_parsing=True)
        else:
            arguments += 1
    return context, option, arguments


def _own(context: Any) -> Any:
    """The command that a group is by its name alone, where it is one."""
    own = getattr(context.command, "own_context", None)
    return context if own is None else own(context)


def item_names(home: Path | None, incomplete: str) -> list[str]:
    """Names of items that begin so, from a small file in the home; none where there is no such file yet."""
    if home is None:
        return []
    with suppress(OSError, UnicodeError):
        names = (home / ITEM_NAMES).read_text(encoding="utf-8").splitlines()
        return [name for name in names if name.casefold().startswith(incomplete.casefold())][:_MOST_NAMES]
    return []


def _waiting(context: Any, name: str) -> Any:
    """The option of a name, where a value has to follow it."""
    found = next((one for one in context.command.get_params(context) if name in one.opts), None)
    return None if found is None or takes_no_value(found) else found


def _options(context: Any, incomplete: str) -> Iterator[tuple[str, str]]:
    for parameter in context.command.get_params(context):
        if parameter.param_type_name == "option" and not parameter.hidden:
            yield from ((name, parameter.help or "") for name in parameter.opts if name.startswith(incomplete))


def _commands(context: Any, incomplete: str) -> Iterator[tuple[str, str]]:
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        if name.startswith(incomplete) and not command.hidden:
            yield name, " ".join((command.help or "").partition("\n\n")[0].split())


def _values(
    parameter: Any, context: Any, incomplete: str, words: Sequence[str], home: Home
) -> Iterator[tuple[str, str]]:
    if parameter is None:
        return
    match parameter.metavar:
        case "REGION":
            # Several may stand in one value.
            before, comma, last = incomplete.rpartition(",")
            given = before.split(",")
            yield from (
                (f"{before}{comma}{region}", region.label)
                for region in Region
                if region.startswith(last.lower()) and region not in given
            )
        case "ITEM":
            yield from ((name, "") for name in item_names(home(), incomplete))
        case "COMMAND":
            asked = [word for word in words if not word.startswith("-")][1:]
            yield from completions(context.find_root().command, asked, incomplete)
        case _:
            yield from ((one, "") for one in choices_of(parameter, context) if one.startswith(incomplete.lower()))
