"""What an operator copies works where it is copied to: cron's table under cron's shell, and systemd's units."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ironforge_cli.cli.frame.pings import PINGED
from ironforge_cli.config import SETTINGS, variable_names
from tests.documentation import PAGES
from tests.quoted_commands import quoted_calls
from tests.test_documentation import CRONTAB, fenced, fenced_under, read

UNITS = PAGES / "systemd"
ENVIRONMENT_FILE = "/etc/ironforge/environment"
PROGRAM = "/usr/local/bin/ironforge"
# Local hours that are left out or come twice somewhere when clocks change.
CHANGING_HOURS = range(4)


def jobs() -> list[tuple[list[str], str]]:
    """The lines of cron's table, those that wait to be uncommented too: five times, and what the shell gets."""
    lines = read(CRONTAB).splitlines()
    found = [line.removeprefix("#").split(maxsplit=5) for line in lines if re.match(r"#?[\d*]", line)]
    return [(fields[:5], fields[5]) for fields in found]


def environment_example() -> str:
    """The file of settings as docs/operations.md shows it."""
    (shown,) = (block for block in fenced(PAGES / "operations.md", "") if "BLIZZARD_CLIENT_SECRET=" in block)
    return shown


def units(ending: str) -> list[Path]:
    return sorted(UNITS.glob(f"*.{ending}"))


def commands_of_units() -> dict[str, str]:
    """What each unit runs, by its name, without the path of the program."""
    started = {unit.stem: re.findall(r"^ExecStart=(.*)$", read(unit), re.M) for unit in units("service")}
    assert all(len(lines) == 1 for lines in started.values())
    return {name: line.removeprefix("/usr/local/bin/") for name, (line,) in started.items()}


# Cron


def test_cron_polls_at_half_past_checks_every_hour_and_does_the_rest_daily() -> None:
    calls = {" ".join(quoted_calls(command)[0].arguments): at for at, command in jobs()}
    assert len(calls) == 5
    # Nobody has rules yet who copies the table.
    assert [line[:2] for line in read(CRONTAB).splitlines() if "ironforge -q watch " in line] == ["#3"]
    assert calls["-q poll"] == ["30", "*", "*", "*", "*"]
    assert calls["-q status --check --max-age 2h"][1:] == ["*"] * 4
    for daily in ("-q seed all", "-q partitions maintain"):
        minute, hour, *rest = calls[daily]
        assert int(minute) in range(60)
        assert int(hour) not in CHANGING_HOURS
        assert rest == ["*", "*", "*"]


def test_every_line_of_cron_s_table_is_one_that_a_health_check_hears_of() -> None:
    for _, command in jobs():
        arguments = [word for word in quoted_calls(command)[0].arguments if word != "-q"]
        assert any(" ".join(arguments).startswith(name) for name in PINGED)


def test_cron_cuts_nothing_off_and_shows_no_secret() -> None:
    for _, command in jobs():
        assert "%" not in command
        assert not re.search(r"(?i)secret|password|_url", command)


def cron_runs(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as cron does, by /bin/sh in an environment of five names, with a program that shows what it gets."""
    program = folder / "bin" / "ironforge"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "called: $*" >&2\nenv >&2\nexit 75\n')
    program.chmod(0o755)
    table = {"PATH": f"{program.parent}:/usr/bin:/bin", "MAILTO": "you@example.com"}
    return subprocess.run(
        ["/bin/sh", "-c", command.replace(ENVIRONMENT_FILE, str(folder / "environment"))],
        env={"HOME": str(folder), "LOGNAME": "ironforge", "SHELL": "/bin/sh", **table},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", [command for _, command in jobs()])
def test_a_line_gives_the_program_the_settings_of_the_file_and_takes_its_exit_code(
    command: str, tmp_path: Path
) -> None:
    # As an operator fills it in: what stands behind a # is there, too, and a password may hold what a shell would eat.
    text = re.sub(r"^#(?=[A-Z])", "", environment_example(), flags=re.M).replace("password@", "pa$$`w&;x y@")
    (tmp_path / "environment").write_text(text)
    ended = cron_runs(command, tmp_path)
    assert (ended.returncode, ended.stdout) == (75, "")
    assert f"called: {' '.join(quoted_calls(command)[0].arguments)}\n" in ended.stderr
    expected = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    assert len(expected) == 5
    got = dict(line.split("=", 1) for line in ended.stderr.splitlines() if "=" in line)
    assert {name: got.get(name) for name in expected} == {name: value.strip("'") for name, value in expected.items()}


def test_without_the_file_nothing_is_run_and_cron_has_something_to_mail(tmp_path: Path) -> None:
    ended = cron_runs(jobs()[0][1], tmp_path)
    assert ended.returncode != 0
    assert "called" not in ended.stderr
    assert "environment" in ended.stderr


def test_the_example_of_the_settings_names_what_exists() -> None:
    known = {variable for setting in SETTINGS for variable in variable_names(setting)}
    named = set(re.findall(r"^#?([A-Z_]+)=", environment_example(), re.M))
    assert named
    assert named <= known


# systemd


def test_the_units_run_what_cron_runs_at_the_same_times() -> None:
    run_by_cron = {" ".join(quoted_calls(command)[0].arguments): at for at, command in jobs()}
    by_unit = {name: quoted_calls(command)[0] for name, command in commands_of_units().items()}
    timed = {timer.stem: re.findall(r"^OnCalendar=(.*)$", read(timer), re.M) for timer in units("timer")}
    assert {" ".join(by_unit[name].arguments) for name in timed} == set(run_by_cron)
    assert set(by_unit) - set(timed) == {"ironforge-database", "ironforge-serve"}
    for name, (calendar,) in timed.items():
        minute, hour, *_ = run_by_cron[" ".join(by_unit[name].arguments)]
        clock = f"{'*' if hour == '*' else f'{int(hour):02}'}:{int(minute):02}:00"
        assert calendar == f"*-*-* {clock} UTC"


def test_the_units_call_what_exists() -> None:
    wrong = {name: quoted_calls(command)[0].problem() for name, command in commands_of_units().items()}
    assert {name: problem for name, problem in wrong.items() if problem} == {}


def test_the_page_shows_the_units_as_they_are() -> None:
    (shown,) = fenced(PAGES / "operations.md", "ini")
    parts = re.split(r"^# (ironforge-\S+\.\w+)$\n", shown, flags=re.M)[1:]
    assert parts[::2] == ["ironforge-poll.timer", "ironforge-poll.service", "ironforge-.service.d/hardening.conf"]
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        assert text.strip() == read(UNITS / name).strip()
    enabled = " ".join(fenced_under(PAGES / "operations.md", "Or by systemd"))
    assert [timer.name for timer in units("timer") if timer.name not in enabled] == []


def enabled_in(root: Path, *names: str) -> list[str]:
    """What enabling units makes, in a system of their own; without systemd the test skips."""
    if shutil.which("systemctl") is None:
        pytest.skip("systemctl is not installed (Debian: apt-get install systemd)")
    folder = root / "etc" / "systemd" / "system"
    shutil.copytree(UNITS, folder)
    subprocess.run(["systemctl", f"--root={root}", "enable", *names], check=True, capture_output=True)
    return sorted(str(link.relative_to(folder)) for link in folder.rglob("*") if link.is_symlink())


def test_beside_a_database_of_one_s_own_nothing_starts_the_embedded_one(tmp_path: Path) -> None:
    assert [
        unit.name for unit in units("service") if re.search(r"^(Wants|Requires)=.*database", read(unit), re.M)
    ] == []
    made = enabled_in(tmp_path, *(timer.name for timer in units("timer")))
    assert [link for link in made if "database" in link] == []
    assert len(made) == len(units("timer"))


def test_with_the_embedded_server_enabled_every_other_unit_wants_it_and_comes_after_it(tmp_path: Path) -> None:
    made = enabled_in(tmp_path, "ironforge-database.service")
    others = [unit for unit in units("service") if unit.stem != "ironforge-database"]
    assert made == sorted(
        f"{wanting}.wants/ironforge-database.service"
        for wanting in ("multi-user.target", *(one.name for one in others))
    )
    assert all(re.search(r"^After=.*ironforge-database\.service", read(unit), re.M) for unit in others)


WRITING = """
import sys
from pathlib import Path
from ironforge_cli.archive.store import FolderStore
for folder in sys.argv[1:]:
    try:
        FolderStore(Path(folder)).put("x", lambda stream: stream.write(b"x"))
        print("written")
    except Exception as error:
        print(type(error).__name__, "Read-only" in str(error))
"""


def test_the_archive_that_the_page_names_can_be_written_where_all_else_is_read_only() -> None:
    hardening = read(UNITS / "ironforge-.service.d" / "hardening.conf")
    (writable,) = re.findall(r"^ReadWritePaths=-(\S+)$", hardening, re.M)
    assert f"IRONFORGE_ARCHIVE_URI={writable}\n" in read(PAGES / "archive.md")
    # As systemd mounts it: what is below is read-only but for what is named, here in a /srv of the test's own.
    mounts = (
        "set -e; mount -t tmpfs none /srv; mkdir -p $1; mount --bind $1 $1; mount -o remount,bind,ro /srv;"
        ' exec "$2" -c "$3" $1 /srv/elsewhere'
    )
    space = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*space, "mount -t tmpfs none /srv"], check=False).returncode:
        pytest.skip("mounts of one's own are not allowed here")
    found = subprocess.run(
        [*space, mounts, "sh", writable, sys.executable, WRITING], check=True, capture_output=True, text=True
    )
    assert found.stdout.splitlines() == ["written", "ArchiveError True"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as in systemd's folder, with a program that is there; without systemd the test skips."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    shutil.copytree(UNITS, tmp_path / "units")
    for unit in (tmp_path / "units").glob("*.service"):
        unit.write_text(read(unit).replace(PROGRAM, sys.executable))
    return tmp_path / "units"


def analyzed(*arguments: str, units: Path, pattern: str) -> subprocess.CompletedProcess[str]:
    # The pager and colours are for people.
    return subprocess.run(
        [
            "systemd-analyze",
            "--no-pager",
            *arguments,
            *(str(unit) for unit in sorted(units.glob(pattern)) if unit.is_file()),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_COLORS": "0"},
    )


def test_systemd_finds_nothing_wrong(installed: Path) -> None:
    found = analyzed("verify", units=installed, pattern="ironforge-*")
    # Others' units that they wait for may not be on this machine.
    own = [line for line in (found.stdout + found.stderr).splitlines() if "ironforge" in line]
    assert (found.returncode, own) == (0, [])


def test_systemd_reads_the_file_of_hardening_too(installed: Path) -> None:
    shared = installed / "ironforge-.service.d" / "hardening.conf"
    shared.write_text(read(shared) + "Nonsense=yes\n")
    found = analyzed("verify", units=installed, pattern="ironforge-*.service")
    assert found.stderr.count("Unknown key 'Nonsense'") >= len(units("service"))


def test_every_unit_is_as_hardened_as_the_page_says(installed: Path) -> None:
    text = " ".join(read(PAGES / "operations.md").split())
    said = r"gives each ([\d.]+) of 10 \(0 is best\), and ([\d.]+) the one that serves"
    ((promised, serving),) = re.findall(said, text)
    help_text = subprocess.run(["systemd-analyze", "--help"], capture_output=True, text=True, check=True).stdout
    if "--offline" not in help_text:
        pytest.skip("this systemd can't judge units that are not loaded")
    for unit in units("service"):
        found = analyzed("security", "--offline=true", units=installed, pattern=unit.name)
        (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", found.stdout)
        assert float(level) <= float(serving if unit.stem == "ironforge-serve" else promised)
