"""The page's own files, and the program that draws: served from here under names that change with what is in them."""

from __future__ import annotations

import functools
import gzip
import hashlib
import logging
import subprocess
import sys
import threading
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from typing import Final

from ironforge_cli.errors import NothingThereError

log = logging.getLogger(__name__)
_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
FOREVER: Final = "public, max-age=31536000, immutable"
PROGRAM: Final = "vega.js"
FOLDER: Final = "/static"
_DIGITS: Final = 12
# What bundles holds 150 MB and may not run where memory must not be written and run: so it has a process of its own.
_BUNDLE: Final = "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())"
_LONGEST_BUNDLING_SECONDS: Final = 120
_bundling = threading.Lock()


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    media_type: str
    body: bytes
    gzipped: bytes
    digest: str


def path(name: str) -> str:
    """Where a file is served, with a digest in its name: so it may be kept for good."""
    stem, _, ending = name.rpartition(".")
    return f"{FOLDER}/{stem}-{_program_digest() if name == PROGRAM else _own()[name].digest}.{ending}"


def found(served: str) -> Asset:
    """The file that is served under a name. Raises `NothingThereError` where there is none, or of another digest."""
    for name in (*_own(), *((PROGRAM,) if has_program() else ())):
        if path(name) == f"{FOLDER}/{served}":
            return program() if name == PROGRAM else _own()[name]
    raise NothingThereError("There is no such file: load the page anew.")


def has_program() -> bool:
    """Whether the extra that has the program that draws is there."""
    return find_spec("vl_convert") is not None


def program() -> Asset:
    """Vega, Vega-Lite and Vega-Embed as one script; made when it is first asked for, which takes seconds.

    Raises `NothingThereError` where it can't be made.
    """
    with _bundling:
        made = bundled()
    if made is None:
        raise NothingThereError("The program that draws can't be made here: the log of the service says why.")
    return made


@functools.cache
def bundled() -> Asset | None:
    """The program that draws, or None where it can't be made; tried once."""
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _BUNDLE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_BUNDLING_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning(
            "Pages have no pictures: vl-convert-python can't bundle its program (%s). Where a unit of systemd forbids "
            "memory that is written and run, allow it: MemoryDenyWriteExecute=no.",
            error,
        )
        return None
    return _asset(PROGRAM, ended.stdout)


@functools.cache
def _own() -> dict[str, Asset]:
    folder = files(__package__ or "") / "static"
    return {one.name: _asset(one.name, one.read_bytes()) for one in folder.iterdir() if one.is_file()}


@functools.cache
def _program_digest() -> str:
    """Of the version of the package that has the program in it, so that nothing has to be made to know it."""
    return hashlib.sha256(f"vl-convert-python {version('vl-convert-python')}".encode()).hexdigest()[:_DIGITS]


def _asset(name: str, body: bytes) -> Asset:
    digest = hashlib.sha256(body).hexdigest()[:_DIGITS]
    return Asset(_TYPES[name.rpartition(".")[2]], body, gzip.compress(body, 9, mtime=0), digest)
