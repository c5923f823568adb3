"""The auctions of a region out of Blizzard's JSON, without the few of them that make no sense.

An auction stands for up to 48 hours: where one that Blizzard gave no price refused its body, it would refuse every body
for two days. So a body is stored without it; one with more of them is rather another kind of answer, and is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct, field

from ironforge_cli.blizzard.malformed import NOT_JSON, elements, not_json, sentence, without_mark
from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.market.auctions import Auctions, LeftOut
from ironforge_cli.market.time_left import TimeLeft

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import DTypeLike, NDArray

    from ironforge_cli.regions import Region

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1
DEAREST_UNIT: Final = 10**15
"""Copper. Ten thousand times what a character can own; sums over a whole market still fit 64 bits as floats do."""
MOST_LEFT_OUT: Final = 100
"""Auctions without sense that a body may have, however long it is."""
LEFT_OUT_IN: Final = 1_000
"""One auction of so many may make no sense; of a shorter list, one."""

_NONE: Final = "Blizzard's answer lists no auctions, which no market of a region ever has."
_NAMESPACE: Final = re.compile(r"[?&]namespace=([^&#]+)")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")

Id = Annotated[int, Meta(ge=1, le=INT32_MAX)]
"""Blizzard's number of anything but an auction."""


class Link(Struct, gc=False):
    """A thing that is named by its number."""

    id: Id


class _Auction(Struct, gc=False):
    id: Annotated[int, Meta(ge=1, le=INT64_MAX)]
    item: Link
    quantity: Annotated[int, Meta(ge=1, le=INT32_MAX)]
    unit_price: Annotated[int, Meta(ge=1, le=DEAREST_UNIT)]
    time_left: Literal["SHORT", "MEDIUM", "LONG", "VERY_LONG"]


class _Self(Struct, frozen=True):
    href: str = ""


class _Links(Struct, frozen=True):
    self: _Self = _Self()


_NO_LINKS: Final = msgspec.Raw(b"{}")


class _Commodities(Struct, gc=False):
    auctions: list[_Auction]
    links: msgspec.Raw = field(name="_links", default=_NO_LINKS)
    """Not needed: read where it can be."""


class _Elements(Struct, gc=False):
    auctions: list[msgspec.Raw]
    links: msgspec.Raw = field(name="_links", default=_NO_LINKS)


class _AuctionId(Struct, gc=False):
    id: Annotated[int, Meta(ge=1, le=INT64_MAX)]


class _AuctionItem(Struct, gc=False):
    item: Link


_CODES: Final = {bucket.name: int(bucket) for bucket in TimeLeft}
_decode: Final = msgspec.json.Decoder(_Commodities).decode
_decode_elements: Final = msgspec.json.Decoder(_Elements).decode
_decode_auction: Final = msgspec.json.Decoder(_Auction).decode
_decode_id: Final = msgspec.json.Decoder(_AuctionId).decode
_decode_item: Final = msgspec.json.Decoder(_AuctionItem).decode
_decode_links: Final = msgspec.json.Decoder(_Links).decode


def commodities(body: bytes, *, region: Region, force: bool = False) -> Auctions:
    """All auctions of a region that make sense, and what was left out.

    Refused unless the body is whole JSON that lists auctions, of which at most one in a thousand (one of a shorter
    list, 100 of a longer one) make no sense: a value that is missing or impossible, an id that comes twice. With
    `force` however many may be left out, as long as one is left. Also refused where the body's own link says that it is
    another region's.
    """
    text = without_mark(body)
    try:
        answer = _decode(text)
    except (UnicodeDecodeError, RecursionError) as error:
        raise RefusedAnswerError(_cut(body, text, error)) from error
    except msgspec.DecodeError as error:
        return _of_elements(body, text, error, region=region, force=force)
    _require_region(answer.links, region)
    try:
        return _columns(answer.auctions, LeftOut())
    except ValueError as error:
        return _of_elements(body, text, error, region=region, force=force)


def most_left_out(listed: int) -> int:
    """How many of so many auctions may make no sense.

    >>> [most_left_out(listed) for listed in (1, 1_999, 2_000, 350_000)]
    [1, 1, 2, 100]
    """
    return min(MOST_LEFT_OUT, max(1, listed // LEFT_OUT_IN))


@dataclass(frozen=True, slots=True)
class _Senseless:
    """An element of the list that is not taken."""

    position: int
    reason: str
    """What is wrong with it, and where."""
    auction_id: int | None
    item_id: int | None
    """None, as the other, where it can't be read."""


def _of_elements(body: bytes, text: bytes, error: Exception, *, region: Region, force: bool) -> Auctions:
    """Look at each element by itself, since all together could not be decoded, or an id comes twice."""
    try:
        answer = _decode_elements(text)
    except NOT_JSON:
        if isinstance(error, msgspec.ValidationError):
            raise RefusedAnswerError(f"Blizzard's answer is malformed: {_located(text, error)}") from error
        raise RefusedAnswerError(_cut(body, text, error)) from error
    _require_region(answer.links, region)
    sound, senseless = _told_apart(answer.auctions)
    listed = len(answer.auctions)
    if not listed:
        raise RefusedAnswerError(_NONE)
    if not senseless:
        # Where a key comes twice, the first of its lists is not read.
        return _columns(sound, LeftOut())
    most = most_left_out(listed)
    if (len(senseless) > most and not force) or not sound:
        way_out = "" if not sound else " Look at it; with --force what makes sense of it is stored."
        raise RefusedAnswerError(
            f"Blizzard's answer is malformed: {senseless[0].reason} That is one of {len(senseless):,} of {listed:,} "
            f"auctions that make no sense; at most {most:,} may be left out, and one has to stay.{way_out}"
        ) from error
    return _columns(
        sound,
        LeftOut(
            count=len(senseless),
            item_id=_each_once(one.item_id for one in senseless),
            auction_id=_each_once(one.auction_id for one in senseless),
            first=senseless[0].reason,
        ),
    )


def _each_once(ids: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(sorted({one for one in ids if one is not None}))


def _told_apart(listed: Sequence[msgspec.Raw]) -> tuple[list[_Auction], list[_Senseless]]:
    """The auctions that make sense, and the others, both in their order."""
    found: dict[int, _Auction] = {}
    senseless: list[_Senseless] = []
    for position, element in enumerate(listed):
        try:
            found[position] = _decode_auction(element)
        except NOT_JSON as error:
            senseless.append(
                _Senseless(
                    position,
                    _placed(error, position),
                    auction_id=_read_id(element),
                    item_id=_read_item(element),
                )
            )
    senseless += _repeated(found)
    return list(found.values()), sorted(senseless, key=lambda one: one.position)


def _repeated(found: dict[int, _Auction]) -> list[_Senseless]:
    """Take out what bears an id that comes more than once; where all that bear it say the same, the first stays."""
    times = Counter(auction.id for auction in found.values())
    repeated = {auction_id for auction_id, count in times.items() if count > 1}
    alike: dict[int, list[int]] = {auction_id: [] for auction_id in repeated}
    for position, auction in found.items():
        if auction.id in repeated:
            alike[auction.id].append(position)
    taken: list[_Senseless] = []
    for auction_id, positions in alike.items():
        auctions = [found[position] for position in positions]
        is_one = all(auction == auctions[0] for auction in auctions)
        for position in positions[1:] if is_one else positions:
            reason = f"auction {auction_id} comes more than once - at `$.auctions[{position}].id`."
            taken.append(_Senseless(position, reason, auction_id, found.pop(position).item.id))
    return taken


def _read_id(element: msgspec.Raw) -> int | None:
    try:
        return _decode_id(element).id
    except NOT_JSON:
        return None


def _read_item(element: msgspec.Raw) -> int | None:
    try:
        return _decode_item(element).item.id
    except NOT_JSON:
        return None


def _columns(listed: Sequence[_Auction], left_out: LeftOut) -> Auctions:
    """As columns; raises `ValueError` where an id comes twice."""
    if not listed:
        raise RefusedAnswerError(_NONE)
    return Auctions.from_columns(
        auction_id=_column(map(attrgetter("id"), listed), len(listed), np.int64),
        item_id=_column(map(attrgetter("item.id"), listed), len(listed), np.int32),
        unit_price=_column(map(attrgetter("unit_price"), listed), len(listed), np.int64),
        quantity=_column(map(attrgetter("quantity"), listed), len(listed), np.int32),
        time_left=_column(map(_CODES.__getitem__, map(attrgetter("time_left"), listed)), len(listed), np.uint8),
        left_out=left_out,
    )


def _column(values: Iterable[int], rows: int, dtype: DTypeLike) -> NDArray[Any]:
    return np.fromiter(values, dtype=dtype, count=rows)


def _require_region(links: msgspec.Raw, region: Region) -> None:
    try:
        link = _decode_links(links).self.href
    except NOT_JSON:
        # Nobody needs it: what it should say is known.
        return
    named = _NAMESPACE.search(link)
    if named is not None and named[1] != region.dynamic_namespace:
        raise RefusedAnswerError(
            f"The body is of the namespace {named[1]} by its own link, but {region.dynamic_namespace} was asked for."
        )


def _cut(body: bytes, text: bytes, error: Exception) -> str:
    """Say where a body of commodities stops making sense, and the last auction that is whole."""
    message = not_json(body, text, error)
    if not text.lstrip().startswith(b"{"):
        return message
    whole, last = 0, None
    for element in elements(text, key="auctions"):
        try:
            last = _decode_auction(element).id
        except NOT_JSON:
            break
        whole += 1
    if last is None:
        return f"{message} No auction in it is whole."
    return f"{message} The last whole auction is {last} (number {whole:,})."


def _located(text: bytes, error: msgspec.ValidationError) -> str:
    """Msgspec writes `$.auctions[...]` for an element of a list; find which one it is."""
    if "`$.auctions[...]" in str(error):
        for position, element in enumerate(elements(text, key="auctions")):
            try:
                _decode_auction(element)
            except msgspec.ValidationError as found:
                return _placed(found, position)
    return sentence(error)


def _placed(error: Exception, position: int) -> str:
    """What is wrong with an element, and its place in the whole: msgspec gives its path within the element.

    >>> _placed(ValueError("Expected `int`, got `null` - at `$.item.id`"), 17)
    'Expected `int`, got `null` - at `$.auctions[17].item.id`.'
    >>> _placed(ValueError("Object missing required field `unit_price`"), 17)
    'Object missing required field `unit_price` - at `$.auctions[17].unit_price`.'
    """
    reason, _, path = str(error).partition(" - at ")
    missing = _MISSING.search(reason)
    within = path.strip("`").removeprefix("$") + (f".{missing[1]}" if missing else "")
    return f"{reason} - at `$.auctions[{position}]{within}`."
