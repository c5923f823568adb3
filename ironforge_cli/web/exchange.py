"""One question over HTTP and its answer: in which form it is wanted, of which state it is, and its body."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.answers.answer import Basis
    from ironforge_cli.regions import Region
    from ironforge_cli.web.bodies import KeptBody
    from ironforge_cli.web.negotiation import AnswerFormat, Encoding
    from ironforge_cli.web.service import KnownState, Service

EXCHANGE: Final = "ironforge.exchange"
"""Where in a request's scope its exchange is."""
_MOST_MISSING: Final = 20


@dataclass(slots=True)
class Inquiry:
    """What the gate found out of a request, and what the answer to it turned out to be."""

    path: str
    query: str
    format: AnswerFormat
    encoding: Encoding
    regions: tuple[Region, ...]
    scopes: tuple[str, ...]
    """What the answer reads: regions, and the catalogue."""
    is_of_tokens: bool = False
    tells_staleness: bool = False
    """Whether its rows say that a region is stale."""
    kept: KeptBody | None = field(default=None, init=False)
    """The answer that was made, for the gate to send and keep."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the answer to is kept by."""
        return self.path, self.query, self.format.value, self.encoding.value

    def generation(self, service: Service, state: KnownState) -> str:
        """Of which state an answer is that is made now."""
        word = state.generation(self.scopes)
        if self.tells_staleness:
            word += "." + "".join("s" if service.is_stale(region, state) else "f" for region in self.regions)
        return word

    def etag(self, service: Service, generation: str) -> bytes:
        """The strong validator of an answer: of its query, format, encoding and state."""
        said = "\0".join((service.settings.version, service.settings.root_path, *self.key, generation))
        return b'"' + hashlib.blake2b(said.encode(), digest_size=15).hexdigest().encode() + b'"'


def http_date(moment: datetime) -> str:
    """A time as HTTP writes it.

    >>> from datetime import UTC, datetime
    >>> http_date(datetime(2026, 1, 14, 12, 3, 7, tzinfo=UTC))
    'Wed, 14 Jan 2026 12:03:07 GMT'
    """
    from email.utils import format_datetime  # noqa: PLC0415 - the module loads all of the library's mail

    return format_datetime(moment, usegmt=True)


def iso(moment: datetime) -> str:
    """A time as bodies have it."""
    return moment.isoformat().replace("+00:00", "Z")


def basis_headers(bases: Sequence[Basis]) -> list[tuple[bytes, bytes]]:
    """What an answer rests on, as headers that stay what they are: of several regions each with its name."""

    def said(name: str, values: Sequence[tuple[Basis, Any]]) -> list[tuple[bytes, bytes]]:
        if not values:
            return []
        if len(bases) == 1:
            text = str(values[0][1])
        else:
            text = ", ".join(f"{basis.region.value}={value}" for basis, value in values)
        return [(f"ironforge-{name}".encode(), text.encode())]

    times = [(one, iso(one.snapshot_time)) for one in bases if one.snapshot_time is not None]
    spans = [one for one in bases if one.since is not None]
    headers = said("snapshot-time", times)
    headers += said("since", [(one, iso(one.since)) for one in spans if one.since is not None])
    headers += said("snapshots", [(one, one.snapshots) for one in spans])
    headers += said("missing-hours", [(one, len(one.missing)) for one in spans])
    if len(bases) == 1 and spans and spans[0].missing:
        newest = spans[0].missing[-_MOST_MISSING:]
        headers.append((b"ironforge-missing", " ".join(map(iso, newest)).encode()))
    return headers


def age_headers(service: Service, exchange: Inquiry, state: KnownState) -> list[tuple[bytes, bytes]]:
    """How old the newest data of an answer are now, and whether that is stale: what its rows leave out."""
    now = service.now()
    ages: list[str] = []
    stale: list[str] = []
    for region in exchange.regions:
        due = state.due[region]
        newest = due.token_time if exchange.is_of_tokens else due.snapshot_time
        is_stale = newest is None or now - newest > service.settings.max_age
        before = "" if len(exchange.regions) == 1 else f"{region.value}="
        stale.append(f"{before}{str(is_stale).lower()}")
        if newest is not None:
            ages.append(f"{before}{max(0, int((now - newest).total_seconds()))}")
    headers = [(b"ironforge-age-seconds", ", ".join(ages).encode())] if ages else []
    return [*headers, (b"ironforge-stale", ", ".join(stale).encode())]


def newest_time(exchange: Inquiry, state: KnownState) -> datetime | None:
    """The newest time among an answer's regions."""
    found = [
        moment
        for region in exchange.regions
        if (moment := state.due[region].token_time if exchange.is_of_tokens else state.due[region].snapshot_time)
    ]
    return max(found, default=None)


def too_many(rows: int, most: int, advice: str) -> str:
    """What is said of an answer that would be too long."""
    return f"{counted(rows, 'row')} are more than one answer holds ({most:,}): {advice}."
