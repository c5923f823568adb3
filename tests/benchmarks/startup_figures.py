"""What a start takes: CPU of whole commands beside `python -c pass`, and `--help` beside a bare Typer app.

Run it with `uv run python -m tests.benchmarks.startup_figures`; it takes about 20 seconds.

The bare app is written into a temporary folder: the same groups, the same commands, each a function with a docstring
and nothing else. Both run as `python -m`, in turn, with compiled files, which two warm-up runs make. Medians are
printed, and the median of the ratios of each round.
"""

from __future__ import annotations

import keyword
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any, Final

from typer.main import get_command

from ironforge_cli.cli.app import app
from tests.benchmarks.stage import environment_of, home_folder, line, run

ROUNDS: Final = 21
WARM_UPS: Final = 2
BUDGET: Final = "1.3 x"
# Asks an empty home, and a database that nobody has to start.
BUDGETS: Final = {"--help": 10, "spool list": 15, "config show": 15, "status": 35}
_REPOSITORY: Final = Path(__file__).resolve().parents[2]


def bare_app(command: Any) -> tuple[str, int]:
    """The source of a Typer app with the same tree of commands, and how many commands that are."""
    lines = ["import typer", "", "app = typer.Typer(name='bare', no_args_is_help=True, add_completion=False)", ""]
    lines += ["@app.callback()", "def root() -> None:", "    '''A bare app.'''", ""]
    count = 0

    def add(group: Any, variable: str) -> None:
        nonlocal count
        for name, member in group.commands.items():
            place = f"{variable}_{name.replace('-', '_')}"
            place += "_" if keyword.iskeyword(place) else ""
            if hasattr(member, "commands"):
                lines.extend(
                    [f"{place} = typer.Typer()", f"{variable}.add_typer({place}, name={name!r}, help='A group.')"]
                )
                add(member, place)
                continue
            count += 1
            lines.extend(
                [f"@{variable}.command({name!r})", f"def {place}_command() -> None:", f"    '''Do {name}.'''", ""]
            )

    add(command, "app")
    return "\n".join([*lines, "def main() -> None:", "    app()", ""]), count


def cpu_seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """What a process takes of the processor until it has ended, however it ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ratios_to_nothing() -> dict[str, float]:
    """The median over rounds of each command's CPU, by that of `python -c pass` in the same round."""
    with home_folder() as folder:
        environment = environment_of(
            PYTHONPATH=str(_REPOSITORY),
            IRONFORGE_HOME=str(folder / "home"),
            IRONFORGE_DATABASE_URL="postgresql://127.0.0.1:1/x",
        )
        found: dict[str, list[float]] = {name: [] for name in BUDGETS}
        for number in range(ROUNDS + WARM_UPS):
            nothing = cpu_seconds(["-c", "pass"], environment)
            for name, ratios in found.items():
                taken = cpu_seconds(["-m", "ironforge_cli", *name.split()], environment)
                if number >= WARM_UPS:
                    ratios.append(taken / nothing)
    return {name: median(ratios) for name, ratios in found.items()}


def main() -> None:
    """Print the figures."""
    for name, ratio in ratios_to_nothing().items():
        sys.stdout.write(line(f"ironforge {name}, of python -c pass", f"{ratio:.1f} x", budget=f"{BUDGETS[name]} x"))
    source, commands = bare_app(get_command(app))
    with home_folder() as folder:
        package = folder / "bare"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "app.py").write_text(source)
        (package / "__main__.py").write_text("from bare.app import main\n\nmain()\n")
        environment = environment_of(PYTHONPATH=f"{folder}:{_REPOSITORY}")
        ours: list[float] = []
        bare: list[float] = []
        for number in range(ROUNDS + WARM_UPS):
            pair = [run(["-m", name, "--help"], environment=environment).seconds for name in ("ironforge_cli", "bare")]
            if number >= WARM_UPS:
                ours.append(pair[0])
                bare.append(pair[1])
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    sys.stdout.write(
        f"{commands} commands; medians of {ROUNDS} rounds\n\n"
        + line("ironforge --help", f"{median(ours):.3f} s")
        + line("a bare Typer app with as many commands", f"{median(bare):.3f} s")
        + line("ironforge --help of the bare app", f"{median(ratios):.2f} x", budget=BUDGET)
    )


if __name__ == "__main__":
    main()
