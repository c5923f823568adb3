"""Numbers with their nouns, as messages say them: one snapshot, two snapshots."""

from __future__ import annotations


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number and what it counts; `several` is for words that get more than an s, such as verbs beside them.

    >>> counted(1, "row"), counted(0, "row"), counted(1234, "row")
    ('1 row', '0 rows', '1,234 rows')
    >>> counted(1, "body waits", "bodies wait"), counted(2, "body waits", "bodies wait")
    ('1 body waits', '2 bodies wait')
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
