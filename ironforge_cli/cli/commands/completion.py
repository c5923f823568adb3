"""`ironforge completion`: what makes a shell complete the program's words."""

from __future__ import annotations

from typing import Annotated

import typer

from ironforge_cli.cli.frame.completing import SCRIPTS, Shell

Wanted = Annotated[Shell, typer.Argument(metavar="SHELL", case_sensitive=False, help="bash, zsh or fish.")]


def completion(shell: Wanted) -> None:
    """Print what makes a shell complete commands, options and regions.

    In your shell's start file: `source <(ironforge completion bash)`, the same with zsh after `compinit`, and for
    fish `ironforge completion fish | source`.

    Example: ironforge completion bash > ~/.local/share/bash-completion/completions/ironforge
    Example: ironforge completion zsh > ~/.zfunc/_ironforge
    Example: ironforge completion fish > ~/.config/fish/completions/ironforge.fish
    """
    typer.echo(SCRIPTS[shell], nl=False)
