"""The manual page is read without a complaint, and holds every command, option and exit code."""

from __future__ import annotations

import re
import subprocess
from shutil import which

import pytest

from ironforge_cli.errors import ExitStatus
from tests.documentation import REPOSITORY, SHARED_FILES, commands, outdated_files, root_options
from tests.manual_page import manual_page

PAGE = SHARED_FILES / "man" / "man1" / "ironforge.1"
REQUESTS = {".TH", ".nh", ".ad", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi", ".RS", ".RE"}


def test_what_travels_beside_the_package_is_as_the_code_says() -> None:
    assert not outdated_files(), "uv run python -m tests.documentation writes them anew"


def test_the_page_holds_every_command_option_and_exit_code() -> None:
    page = manual_page(commands(), root_options()).replace("\\-", "-")
    for command in commands():
        part = page.partition(f".SS {command.name}\n")[2].partition("\n.SS ")[0]
        assert all(name in part for option in command.options if not option.shared for name in option.names)
    assert all(f"\\fB{int(status)}\\fR" in page for status in ExitStatus)


def test_the_page_has_no_request_but_those_that_are_meant() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    assert {line.split()[0] for line in lines if line.startswith((".", "'"))} <= REQUESTS
    assert PAGE.read_text("utf-8").isascii()
    assert set(re.findall(r"\\([^\s])", PAGE.read_text("utf-8"))) <= set("-fe(&[")


@pytest.mark.skipif(which("groff") is None, reason="there is no groff")
def test_groff_reads_the_page_without_a_complaint() -> None:
    read = subprocess.run(["groff", "-man", "-Tascii", "-ww", str(PAGE)], check=True, capture_output=True, text=True)
    assert read.stderr == ""
    assert "ironforge spool list" in re.sub(r"\x1b\[\d*m", "", read.stdout)


def test_the_wheel_brings_the_page_and_the_scripts() -> None:
    assert '"share" = "share"' in (REPOSITORY / "pyproject.toml").read_text("utf-8")
