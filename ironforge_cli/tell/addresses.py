"""Where alerts go: addresses, of which kind each is, and how they are shown without what is secret in them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ironforge_cli.errors import UsageError
from ironforge_cli.given import content_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_LARGEST: Final = 100_000
_MOST: Final = 100
_DISCORD_PATH: Final = re.compile(r"/api(/v\d+)?/webhooks/\d+/[^/]+")
_DISCORD_HOSTS: Final = ("discord.com", "discordapp.com")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9.-]*(\+[a-z]+)?", re.ASCII)


class AddressKind(StrEnum):
    """How a message is written for who is there."""

    JSON = "json"
    DISCORD = "discord"
    NTFY = "ntfy"
    APPRISE = "apprise"
    """By the library of that name, for all that it knows."""


@dataclass(frozen=True, slots=True)
class DeliveryAddress:
    """Where messages go; only `masked` may be shown."""

    kind: AddressKind
    url: str = field(repr=False)
    masked: str

    @property
    def key(self) -> str:
        """What is remembered of it: the same for the same address, and no way back."""
        return blake2b(f"{self.kind}:{self.url}".encode(), digest_size=12).hexdigest()


def address_of(text: str, *, place: str) -> DeliveryAddress:
    """An address as it was given. Raises `UsageError` that names the place, and nothing of the address.

    >>> address_of("https://discord.com/api/webhooks/1/secret", place="--webhook")
    DeliveryAddress(kind=<AddressKind.DISCORD: 'discord'>, masked='https://discord.com/…')
    >>> address_of("ntfy+http://me:secret@localhost:8080/topic", place="--webhook").masked
    'http://localhost:8080/…'
    """
    given = text.strip()
    scheme, separator, rest = given.partition("://")
    scheme = scheme.lower()
    if not separator or not rest or not _SCHEME.fullmatch(scheme) or not given.isprintable() or " " in given:
        raise UsageError(f"{place}: this is no address. Give one such as https://host/path.")
    before, _, bare = scheme.rpartition("+")
    if bare not in {"http", "https"}:
        if before in {kind.value for kind in AddressKind} - {AddressKind.APPRISE}:
            raise UsageError(f"{place}: behind {before}+ stands an address of http or https.")
        # What others put where a host stands is often the secret itself.
        return DeliveryAddress(AddressKind.APPRISE, given, f"{scheme}://…")
    if before and before not in {AddressKind.JSON, AddressKind.DISCORD, AddressKind.NTFY}:
        raise UsageError(f"{place}: before https:// may stand json+, discord+ or ntfy+, for the kind of message.")
    url = f"{bare}://{rest}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{place}: this is no address: its host or its port is none.") from None
    if not host:
        raise UsageError(f"{place}: the address names no host.")
    kind = AddressKind(before) if before else _kind(host, parts.path)
    shown = f"[{host}]" if ":" in host else host
    return DeliveryAddress(kind, url, f"{bare}://{shown}{f':{port}' if port is not None else ''}/…")


def _kind(host: str, path: str) -> AddressKind:
    is_discord = any(host == known or host.endswith(f".{known}") for known in _DISCORD_HOSTS)
    if (is_discord and "/webhooks/" in path) or _DISCORD_PATH.match(path):
        return AddressKind.DISCORD
    if host == "ntfy.sh" or host.startswith("ntfy."):
        return AddressKind.NTFY
    return AddressKind.JSON


def addresses_in(file: Path) -> tuple[DeliveryAddress, ...]:
    """The addresses of a file, one a line; what begins with # is left out. Raises `UsageError`."""
    try:
        lines = content_of(file, at_most=_LARGEST).decode("utf-8-sig").splitlines()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--webhook-file {file} can't be read ({reason}). Correct the path.") from error
    except UnicodeError:
        raise UsageError(f"--webhook-file {file} is not text in UTF-8. Save it as such.") from None
    found = [
        address_of(line, place=f"--webhook-file {file}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    ]
    if not found:
        raise UsageError(f"--webhook-file {file} holds no address. Write one a line.")
    return tuple(found)


def all_addresses(given: Sequence[str], files: Iterable[Path]) -> tuple[DeliveryAddress, ...]:
    """The addresses of options and of files, each once. Raises `UsageError`."""
    found = [address_of(text, place="--webhook") for text in given]
    for file in files:
        found += addresses_in(file)
    once = tuple({address.key: address for address in found}.values())
    if len(once) > _MOST:
        raise UsageError(f"There are more than {_MOST} addresses.")
    # What is secret is all that differs between two of one host: they are told apart by their places.
    alike = Counter(address.masked for address in once)
    return tuple(
        replace(address, masked=f"{address.masked} (address {number})") if alike[address.masked] > 1 else address
        for number, address in enumerate(once, start=1)
    )
