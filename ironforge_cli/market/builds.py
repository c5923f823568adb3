"""Which of two of the game's builds is the newer one."""

from __future__ import annotations


def build_number(build: str) -> int | None:
    """The number by which the game's builds rise; None for a name without one.

    >>> build_number("12.0.1_65617"), build_number("beta")
    (65617, None)
    """
    number = build.rpartition("_")[2]
    return int(number) if number.isascii() and number.isdecimal() else None


def is_newer_build(build: str | None, than: str | None) -> bool:
    """Whether a build came after another; where one has no number, whether it is another.

    Servers can answer with the old build for a while after a patch, which is no news.

    >>> is_newer_build("12.0.5_66000", "12.0.1_65617"), is_newer_build("12.0.1_65617", "12.0.5_66000")
    (True, False)
    >>> is_newer_build("beta", "12.0.1_65617"), is_newer_build(None, "beta"), is_newer_build("beta", None)
    (True, False, True)
    """
    if build is None or than is None:
        return build is not None
    number, before = build_number(build), build_number(than)
    return build != than if number is None or before is None else number > before
