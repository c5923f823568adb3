"""Trying, without a trace, what the next run will do on disk and over the net."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from ironforge_cli.errors import ConfigurationError, UnavailableError
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ironforge_cli.regions import Region

_SECONDS: Final = 5.0


def try_folders(home: Path, regions: Sequence[Region]) -> list[str]:
    """Write into each folder that the next run writes to, and open each file there that it goes on with.

    Returns the folders' names below the home; one that is not there yet is tried by the one above it. Raises
    `ConfigurationError`, which names every one that refuses.
    """
    names = ["http", "locks", *(f"{shelf}/{region}" for shelf in ("spool", "quarantine") for region in regions)]
    refused = dict.fromkeys(
        f"{place} ({error.strerror or error})" for name in names for place, error in _refusals(home, home / name)
    )
    if refused:
        raise ConfigurationError(
            f"What ironforge keeps can't be written by this user: {'; '.join(refused)}. Make room or give it to the "
            f"account that runs ironforge, as by chown -R, or set IRONFORGE_HOME to another folder than {home}."
        )
    return names


def _refusals(home: Path, folder: Path) -> Iterator[tuple[Path, OSError]]:
    # A module that is loaded within somebody else's rights may be out of reach.
    with owners_rights(home):
        place = folder
        try:
            while not place.exists():
                place = place.parent
            with tempfile.TemporaryFile(dir=place, prefix=".trying-") as file:
                # A full disk lets files be made, and takes nothing.
                file.write(b"x")
                file.flush()
            found = [path for path in place.iterdir() if path.is_file()] if place == folder else []
        except OSError as error:
            yield place, error
            return
        for path in found:
            try:
                path.open("r+b").close()
            except FileNotFoundError:
                # Somebody else has just done with it.
                continue
            except OSError as error:
                yield path, error


def try_ping(url: str) -> str:
    """Ask the server of a health check's address for its front page; returns its name. The check is told of nothing.

    Whatever is answered will do: only a run may say how it went. Raises `UnavailableError`.
    """
    from urllib.error import HTTPError  # noqa: PLC0415 - only who has a health check waits for an HTTP client
    from urllib.request import Request, urlopen  # noqa: PLC0415 - the same

    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    request = Request(  # noqa: S310 - the setting takes http and https alone
        urlunsplit((parts.scheme, host, "/", "", "")), headers={"User-Agent": "ironforge"}, method="HEAD"
    )
    try:
        with urlopen(request, timeout=_SECONDS):  # noqa: S310 - the same
            return host
    except HTTPError as error:
        error.close()
        return host
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise UnavailableError(
            f"The health check's server {host} can't be reached ({told}). Correct IRONFORGE_PING_URL, or see to the "
            "way to it; runs go on without it, and warn."
        ) from error
