"""No message puts a number before a plural on its own: `counted` knows the singular, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ironforge_cli.wording import counted
from tests.documentation import REPOSITORY

NOUNS = "rows|bodies|snapshots|days|hours|items|auctions|recipes|reagents|attempts|partitions|problems|settings"
# A number in braces or by %d, and a word that is wrong beside 1.
ALONE = re.compile(
    rf"(?:len\([^{{}}]*\)|:,|\bcount\([^{{}}]*\)|%d|\.(?:rows|bodies|snapshots|days|ahead))\}}? (?:{NOUNS})\b"
)
DEVELOPERS = {"sandbox"}
NEVER_ONE = {
    "errors.py",
    "config.py",  # One setting has a sentence of its own.
    "market_profiles.py",
}


@pytest.mark.parametrize(("number", "said"), [(0, "0 bodies wait"), (1, "1 body waits"), (2000, "2,000 bodies wait")])
def test_a_count_agrees_with_its_noun_and_verb(number: int, said: str) -> None:
    assert counted(number, "body waits", "bodies wait") == said


def test_every_count_in_a_message_agrees_with_its_noun() -> None:
    package = REPOSITORY / "ironforge_cli"
    wrong = [
        f"{file.relative_to(package)}: {found[0]}"
        for file in sorted(package.rglob("*.py"))
        if file.name not in NEVER_ONE and not DEVELOPERS & set(Path(file.relative_to(package)).parts)
        for line in file.read_text("utf-8").splitlines()
        if (found := ALONE.search(line)) and "log.debug" not in line and "raise ValueError" not in line
    ]
    assert wrong == []
