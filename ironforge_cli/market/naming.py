"""Which items a word can mean: names are compared without case, accents and apostrophes."""

from __future__ import annotations

import difflib
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Apostrophes and quotes of every kind that keyboards and the game write.
_MARKS: Final = dict.fromkeys(map(ord, "'\"`\u00b4\u02bc\u2018\u2019\u201c\u201d\u2032"))


def folded(name: str) -> str:
    """Return a name as names are compared.

    >>> folded("Éclair's  Ink") == folded("eclairs ink")
    True
    """
    plain = unicodedata.normalize("NFKD", name.translate(_MARKS)).casefold()
    return " ".join("".join(letter for letter in plain if not unicodedata.combining(letter)).split())


def meant(word: str, names: Mapping[int, str]) -> list[int]:
    """Return the items that a word names, by number: an exact name, else a unique prefix, else a unique part.

    `names` hold an item's name by its number. A name that several items bear, as ranks do, means all of them; a prefix
    or a part that several names have means nothing.

    >>> names = {1: "Dracothyst", 2: "Dracothyst", 3: "Draconium Ore", 4: "Serevite Ore"}
    >>> meant("dracothyst", names), meant("draconium", names), meant("serevite", names), meant("ore", names)
    ([1, 2], [3], [4], [])
    """
    wanted = folded(word)
    if not wanted:
        return []
    by_name: dict[str, list[int]] = {}
    for item, name in names.items():
        by_name.setdefault(folded(name), []).append(item)
    if wanted in by_name:
        return sorted(by_name[wanted])
    for fits in (str.startswith, str.__contains__):
        found = [name for name in by_name if fits(name, wanted)]
        if len(found) == 1:
            return sorted(by_name[found[0]])
    return []


def holding(word: str, names: Mapping[int, str]) -> list[int]:
    """Return the items whose names hold a text anywhere, by number.

    What is nothing but marks that comparing leaves out is looked for as it stands.

    >>> holding("ORE", {3: "Draconium Ore", 4: "Serevite Ore", 5: "Bismuth"})
    [3, 4]
    >>> holding("'", {6: "Éclair's Ink", 5: "Bismuth"})
    [6]
    """
    return sorted(holding_any([word], names))


def holding_any(words: Iterable[str], names: Mapping[int, str]) -> set[int]:
    """Return the items whose names hold any of some texts, as `holding` says it; each name is folded once for all.

    >>> sorted(holding_any(["ore", "BIS"], {3: "Draconium Ore", 4: "Serevite Ore", 5: "Bismuth", 6: "Silk"}))
    [3, 4, 5]
    """
    compared: dict[str, list[int]] = {}
    as_written: dict[str, list[int]] = {}
    for item, name in names.items():
        compared.setdefault(folded(name), []).append(item)
        as_written.setdefault(name, []).append(item)
    found: set[int] = set()
    for word in dict.fromkeys(words):
        wanted, searched = folded(word), compared
        if not wanted:
            wanted, searched = word.strip(), as_written
        for name, items in searched.items():
            if wanted in name:
                found.update(items)
    return found


def nearest(word: str, names: Mapping[int, str], *, most: int = 5) -> Sequence[str]:
    """Return the names that a word may have meant: those that hold it, else those spelt much alike.

    >>> nearest("draconum ore", {3: "Draconium Ore", 5: "Bismuth"})
    ['Draconium Ore']
    """
    inside = list(dict.fromkeys(names[item] for item in holding(word, names)))
    if inside:
        return sorted(inside, key=lambda name: (len(name), name))[:most]
    shown = {folded(name): name for name in names.values()}
    return [shown[name] for name in difflib.get_close_matches(folded(word), shown, n=most)]
