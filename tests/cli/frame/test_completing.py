"""What Tab completes: each shell's script asks the program itself, which asks no database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command

from ironforge_cli.cli.app import app
from ironforge_cli.cli.frame.completing import ITEM_NAMES, SCRIPTS, Shell, answer, completions, item_names
from tests.cli.tree import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def completed(*words: str) -> list[str]:
    """The words that may stand in the place of the last one."""
    return [value for value, _ in completions(get_command(app), words[:-1], words[-1])]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("coll",), ["collect"]),
        (("-v", "coll"), ["collect"]),
        (("--log-format", "json", "coll"), ["collect"]),
        (("spool", ""), ["list", "replay", "drop"]),
        (("nonsense", ""), []),
        (("collect", "--reg"), ["--region"]),
        (("collect", "--region", "e"), ["eu"]),
        (("collect", "--region", "E"), ["eu"]),
        (("collect", "--region", "eu,u"), ["eu,us"]),
        (("collect", "--region", "eu,"), ["eu,us", "eu,kr", "eu,tw"]),
        (("collect", "--region=u"), ["--region=us"]),
        (("collect", "--region", "=", "u"), ["us"]),
        (("collect", "--region", "="), ["eu", "us", "kr", "tw"]),
        (("spool", "list", "--format", "json"), ["json", "jsonl"]),
        (("spool", "list", "--format", "json", "--qua"), ["--quarantine"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("completion", "bash", ""), []),
        (("help", "spool", "l"), ["list"]),
        (("collect", "--from", ""), []),
        (("db", "dump", ""), []),
    ],
)
def test_a_word_is_completed_by_what_may_stand_there(words: tuple[str, ...], found: list[str]) -> None:
    assert completed(*words) == found


def test_every_command_and_each_of_its_options_is_completed() -> None:
    for words in COMMANDS:
        assert words[-1] in completed(*words)
        assert {"--help", "--verbose"} <= set(completed(*words, "--")) or words in {("help",), ("completion",)}


@pytest.mark.parametrize("shell", list(Shell))
def test_each_shell_is_answered_in_its_own_form(shell: Shell) -> None:
    lines = answer(get_command(app), shell, ["coll"]).splitlines()
    says = "Store what each region has published since its last stored snapshot, and the token price."
    assert lines == [{"bash": "collect", "zsh": f"collect:{says}", "fish": f"collect\t{says}"}[shell]]


@pytest.mark.parametrize("shell", list(Shell))
def test_the_program_prints_the_script_of_a_shell(run: Run, shell: Shell) -> None:
    printed = run("completion", shell)
    assert (printed.exit_code, printed.stdout) == (0, SCRIPTS[shell])
    assert f"_IRONFORGE_COMPLETE={shell}" in SCRIPTS[shell] or f"_IRONFORGE_COMPLETE {shell}" in SCRIPTS[shell]


def test_the_program_answers_where_its_variable_is_set(run: Run) -> None:
    asked = run("collect", "--region", "e", _IRONFORGE_COMPLETE="bash")
    assert (asked.exit_code, asked.stdout, asked.stderr) == (0, "eu\n", "")
    assert run("coll", _IRONFORGE_COMPLETE="nonsense").exit_code == 2


def program_in(folder: Path) -> Path:
    """The program by its name, for a shell."""
    program = folder / "ironforge"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ironforge_cli "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.skipif(which("bash") is None, reason="there is no bash")
def test_bash_completes_by_the_script(tmp_path: Path) -> None:
    asking = 'COMP_WORDS=("$1" spool li); COMP_CWORD=2; _ironforge; printf "%s\\n" "${COMPREPLY[@]}"'
    shell = ["bash", "--norc", "-c", f"{SCRIPTS[Shell.BASH]}\n{asking}", "-", str(program_in(tmp_path))]
    assert subprocess.run(shell, check=True, capture_output=True, text=True).stdout == "list\n"


@pytest.mark.skipif(which("fish") is None, reason="there is no fish")
def test_fish_completes_by_the_script(tmp_path: Path) -> None:
    asking = (
        f"set -gx PATH {program_in(tmp_path).parent} $PATH\n{SCRIPTS[Shell.FISH]}\ncomplete -C 'ironforge spool li'"
    )
    home = {**os.environ, "HOME": str(tmp_path)}
    told = subprocess.run(["fish", "-c", asking], check=True, capture_output=True, text=True, env=home).stdout
    assert told.split("\t")[0] == "list"


@pytest.mark.skipif(which("zsh") is None, reason="there is no zsh")
def test_zsh_completes_by_the_script(tmp_path: Path) -> None:
    # What the completion system would show is caught where it is handed over.
    asking = (
        "compdef() { :; }; _files() { echo files; }\n"
        '_describe() { print -l -- "${(@P)argv[-1]}"; }\n'
        f"{SCRIPTS[Shell.ZSH]}\nwords=({program_in(tmp_path)} spool li); CURRENT=3; _ironforge"
    )
    told = subprocess.run(["zsh", "-f", "-c", asking], check=True, capture_output=True, text=True).stdout
    assert told.partition(":")[0] == "list"


@pytest.mark.parametrize("shell", list(Shell))
def test_a_shell_that_is_here_can_read_its_script(shell: Shell) -> None:
    if which(shell) is None:
        pytest.skip(f"there is no {shell}")
    read = subprocess.run([shell, "-n"], input=SCRIPTS[shell], text=True, capture_output=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def test_names_of_items_come_from_a_small_file_in_the_home_or_not_at_all(tmp_path: Path) -> None:
    assert item_names(tmp_path, "lin") == []
    file = tmp_path / ITEM_NAMES
    file.parent.mkdir()
    file.write_text("Linen Cloth\nSilk Cloth\n", encoding="utf-8")
    assert item_names(tmp_path, "lin") == ["Linen Cloth"]
    file.write_bytes(b"\xff\xfe")
    assert item_names(tmp_path, "") == []
    assert item_names(None, "") == []
