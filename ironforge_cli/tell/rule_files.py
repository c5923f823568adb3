"""Files of rules, read strictly: each error names the line, and nothing is watched while there is one."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final, cast

from ironforge_cli.errors import UsageError
from ironforge_cli.given import content_of
from ironforge_cli.tell.rules import Rule, one_rule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LARGEST: Final = 1_000_000
_HEAD: Final = re.compile(r"""\s*\[\[\s*(?:rule|"rule"|'rule')\s*\]\]""")


def rules_in(file: Path) -> tuple[Rule, ...]:
    """The rules of a file. Raises `UsageError` that names the file and the line."""
    try:
        text = content_of(file, at_most=_LARGEST).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"--rules {file} can't be read ({error.strerror or error}). Correct the path.") from error
    except UnicodeError as error:
        raise UsageError(f"--rules {file} is not text in UTF-8. Save it as such.") from error
    return rules_of(text, name=str(file))


def watch_name(file: Path) -> str:
    """What a file's rules are remembered by: its path, and not where a link in its place leads.

    Who puts a new file in by changing a link, as systems of containers do, has the same rules as before.
    """
    return str(file.parent.resolve() / file.name)


def rules_of(text: str, *, name: str) -> tuple[Rule, ...]:
    """The rules of a text in TOML, `name` of which errors speak. Raises `UsageError`."""
    # TOML lets lines end as Windows does, and the places of keys are counted by lines.
    text = text.replace("\r\n", "\n")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(_no_toml(str(error), name)) from None
    except RecursionError:
        raise UsageError(f"{name}: is no file of rules: it nests without end.") from None
    lines = text.split("\n")
    for key in document:
        if key != "rule":
            where = _line_of(lines, key, range(len(lines)))
            raise UsageError(
                f"{name}{where}: there is no key {key!r} beside the rules. A rule begins with [[rule]], and its keys "
                "stand below that."
            )
    found: Any = document.get("rule", [])
    if not isinstance(found, list) or any(not isinstance(one, dict) for one in cast("list[Any]", found)):
        where = _line_of(lines, "rule", range(len(lines)))
        raise UsageError(f"{name}{where}: a rule begins with [[rule]], in two brackets.")
    if not found:
        raise UsageError(f"{name} holds no rule. A rule begins with [[rule]]; docs/alerts.md has examples.")
    given = cast("list[dict[str, Any]]", found)
    parts = _parts(lines, len(given))
    rules = tuple(
        one_rule(one, place=_places(name, lines, number, parts[number - 1] if parts else None))
        for number, one in enumerate(given, start=1)
    )
    _require_names(rules)
    return rules


def _no_toml(said: str, name: str) -> str:
    place = re.search(r" \(at line (\d+), column \d+\)| \(at end of document\)", said)
    where = f", line {place[1]}" if place and place[1] else ", at its end" if place else ""
    what = said[: place.start()] if place else said
    return f"{name}{where}: this is no TOML: {what[:1].lower()}{what[1:]}."


def _parts(lines: list[str], rules: int) -> list[range] | None:
    """The lines of each rule; None where they can't be told apart, as in one line."""
    heads = [number for number, line in enumerate(lines) if _HEAD.match(line)]
    if len(heads) != rules:
        return None
    return [range(first, last) for first, last in zip(heads, [*heads[1:], len(lines)], strict=True)]


def _places(name: str, lines: list[str], number: int, part: range | None) -> Callable[[str | None], str]:
    def place(key: str | None) -> str:
        if part is None:
            return f"{name}, rule {number}"
        where = "" if key is None else _line_of(lines, key, part)
        return f"{name}{where or f', line {part.start + 1}'}"

    return place


def _line_of(lines: list[str], key: str, part: range) -> str:
    names = re.compile(rf"""\s*(?:\[+\s*)?(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')\s*[=.\]]""")
    return next((f", line {number + 1}" for number in part if names.match(lines[number])), "")


def _require_names(rules: tuple[Rule, ...]) -> None:
    places: dict[str, str] = {}
    for rule in rules:
        if rule.name is None:
            continue
        if rule.name in places:
            raise UsageError(f"{rule.place}: the name {rule.name!r} is taken by the rule of {places[rule.name]}.")
        places[rule.name] = rule.place
