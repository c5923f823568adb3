"""Every way in which the API was seen to fail, by name; `FAULTS` is the one table of them.

A fault either changes what counts as published, or the bytes of a body, or the answer as a whole. Faults of
the first two kinds touch whole answers (200) only: a 304 stays a 304.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ironforge_cli.sandbox.answers import HTML_TYPE, Delivery, Reply, error_answer, html_answer
from ironforge_cli.sandbox.wire import last_modified

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ironforge_cli.regions import Region
    from ironforge_cli.sandbox.world import Publication

ENDPOINTS = (
    "commodities",
    "token",
    "professions",
    "profession",
    "skill_tier",
    "recipe",
    "item",
    "item_search",
    "oauth",
)
"""Names of the endpoints at which a fault can be aimed."""


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a fault strikes, how often, and what it needs to know."""

    name: str
    region: Region | None = None
    """None for every region."""
    endpoint: str | None = None
    """One of `ENDPOINTS`; None for the fault's own: the auctions alone, or everything but `oauth`."""
    path: str | None = None
    """The end of the path, such as `/recipe/1378`; None for every path."""
    count: int | None = None
    """How many answers; None until it is cleared."""
    after: int = 0
    """How many answers that it would strike stay whole before the first that it does."""
    field: str | None = None
    """For faults of one number or key: `id`, `item`, `quantity`, `unit_price`, `time_left` or `price`."""
    status: int | None = None
    """For errors: another status than the usual one."""
    retry_after: int | None = None
    """For `rate_limited`: the seconds that the answer asks to wait; without it the header is missing."""
    seconds: float | None = None
    """For `slow_drip`: the pause before each of twenty pieces."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What counts as published: a body, and the time that goes with it."""

    publication: Publication
    modified: str | None
    """The text of `Last-Modified`; None where the header is missing."""
    modified_at: datetime | None
    """With what `If-Modified-Since` is compared; None where the answer is always whole."""

    @classmethod
    def of(cls, publication: Publication, *, at: datetime | None = None) -> Edition:
        """Publish with its own time, or at another one."""
        moment = publication.published_at if at is None else at
        return cls(publication=publication, modified=last_modified(moment), modified_at=moment)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may look at."""

    aim: Aim
    now: datetime
    struck: int
    """How many answers it has struck before."""
    current: Publication
    previous: Publication
    at_set: Publication
    """What was published when the fault was set."""


Republish: TypeAlias = "Callable[[Scene], Edition]"
Rewrite: TypeAlias = "Callable[[bytes, Scene], bytes]"
Replace: TypeAlias = "Callable[[Reply, Scene], Reply]"


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the table; exactly one of the three changes is there."""

    name: str
    description: str
    republish: Republish | None = None
    rewrite: Rewrite | None = None
    replace: Replace | None = None

    def strikes(self, endpoint: str) -> bool:
        """Whether it strikes that endpoint when it isn't aimed at a particular one."""
        if self.republish is not None or self.name in _OF_AUCTIONS:
            return endpoint == "commodities"
        return endpoint != "oauth"


FAULTS: dict[str, Fault] = {}
"""Every fault by name, in the order in which documentation lists them."""

_OF_AUCTIONS: set[str] = set()
_JITTER_SECONDS = (17, 41, 5, 58, 29)
_PIECES_PAUSE = 0.2
_ODD_ONE_IN = 10


def _description(change: Callable[..., object]) -> str:
    return (change.__doc__ or "").strip().splitlines()[0]


def _republishing(change: Republish) -> Republish:
    name = _name(change)
    FAULTS[name] = Fault(name=name, description=_description(change), republish=change)
    return change


def _rewriting(change: Rewrite) -> Rewrite:
    name = _name(change)
    FAULTS[name] = Fault(name=name, description=_description(change), rewrite=change)
    return change


def _rewriting_auctions(change: Rewrite) -> Rewrite:
    _OF_AUCTIONS.add(_name(change))
    return _rewriting(change)


def _replacing(change: Replace) -> Replace:
    name = _name(change)
    FAULTS[name] = Fault(name=name, description=_description(change), replace=change)
    return change


def _name(change: Callable[..., object]) -> str:
    return getattr(change, "__name__", "").strip("_")


@_republishing
def _stale(scene: Scene) -> Edition:
    """The auctions of the hour in which the fault was set, with their time, as 200 whatever was asked."""
    return replace(Edition.of(scene.at_set), modified_at=None)


@_republishing
def _stuck_last_modified(scene: Scene) -> Edition:
    """New auctions every hour, under the `Last-Modified` of the hour in which the fault was set."""
    edition = Edition.of(scene.current, at=scene.at_set.published_at)
    return replace(edition, modified_at=None)


@_republishing
def _same_body_new_time(scene: Scene) -> Edition:
    """A new `Last-Modified` every hour, over the auctions of the hour in which the fault was set."""
    return Edition.of(scene.at_set, at=scene.current.published_at)


@_republishing
def _late_body(scene: Scene) -> Edition:
    """The auctions of the hour before under the new `Last-Modified`; its own follow under that time when it ends."""
    return Edition.of(scene.previous, at=scene.current.published_at)


@_republishing
def _past_last_modified(scene: Scene) -> Edition:
    """The auctions and the time of the hour before, as 200."""
    return replace(Edition.of(scene.previous), modified_at=None)


@_republishing
def _future_last_modified(scene: Scene) -> Edition:
    """A `Last-Modified` two hours ahead of the answer's own `Date`."""
    return Edition.of(scene.current, at=scene.now + timedelta(hours=2))


@_republishing
def _jittered_last_modified(scene: Scene) -> Edition:
    """Another `Last-Modified` with each answer, by less than a minute, for the same auctions."""
    seconds = _JITTER_SECONDS[scene.struck % len(_JITTER_SECONDS)]
    at = scene.current.published_at + timedelta(seconds=seconds)
    return replace(Edition.of(scene.current, at=at), modified_at=None)


@_republishing
def _missing_last_modified(scene: Scene) -> Edition:
    """No `Last-Modified` at all."""
    return Edition(publication=scene.current, modified=None, modified_at=None)


@_republishing
def _unparseable_last_modified(scene: Scene) -> Edition:
    """A `Last-Modified` that is no time."""
    return Edition(publication=scene.current, modified="the day before yesterday", modified_at=None)


@_rewriting
def _truncated(body: bytes, _scene: Scene) -> bytes:
    """A body that ends after two thirds, though the transfer is complete."""
    return body[: len(body) * 2 // 3]


@_rewriting
def _bom(body: bytes, _scene: Scene) -> bytes:
    """A UTF-8 byte order mark before the JSON."""
    return b"\xef\xbb\xbf" + body


@_rewriting
def _garbage(body: bytes, scene: Scene) -> bytes:
    """As many bytes as there should be, and no sense in them."""
    return np.random.default_rng([len(body), scene.struck]).bytes(len(body))


@_rewriting
def _empty(_body: bytes, _scene: Scene) -> bytes:
    """200 with no body."""
    return b""


@_rewriting_auctions
def _no_auctions(body: bytes, _scene: Scene) -> bytes:
    """Valid JSON without the key `auctions`."""
    return body[: body.index(b',"auctions":[')] + b"}"


@_rewriting_auctions
def _empty_auctions(body: bytes, _scene: Scene) -> bytes:
    """Valid JSON with an empty list of auctions."""
    return body[: body.index(b',"auctions":[')] + b',"auctions":[]}'


def _in_the_middle(body: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """Edit one auction, that in the middle of the body; the whole body where it lists no auctions."""
    if b',"auctions":[{' not in body:
        return edit(body)
    start = body.find(b'{"id":', len(body) // 2)
    if start < 0:
        start = body.rindex(b'{"id":', 0, body.rindex(b',"item"'))
    end = body.index(b'"}', start) + 2
    return body[:start] + edit(body[start:end]) + body[end:]


def _with_number(body: bytes, scene: Scene, number: bytes) -> bytes:
    """Put another number in the place of one field's; the price where the aim names no field."""

    def edit(part: bytes) -> bytes:
        field = scene.aim.field or ("unit_price" if b'"unit_price"' in part else "price")
        found = rb'("item":\{"id":)\d+' if field == "item" else rb'("%s":)\d+' % field.encode()
        return re.sub(found, rb"\g<1>" + number, part, count=1)

    return _in_the_middle(body, edit)


@_rewriting
def _negative_number(body: bytes, scene: Scene) -> bytes:
    """A number below zero: `unit_price` of one auction, `price` of the token, or another `field`."""
    return _with_number(body, scene, b"-100")


@_rewriting
def _zero_number(body: bytes, scene: Scene) -> bytes:
    """A zero where it makes no sense: `unit_price` of one auction, or another `field`."""
    return _with_number(body, scene, b"0")


@_rewriting
def _huge_number(body: bytes, scene: Scene) -> bytes:
    """A number that 64 bits can't hold: `unit_price` of one auction, or another `field`."""
    return _with_number(body, scene, b"9223372036854775808")


@_rewriting
def _fractional_number(body: bytes, scene: Scene) -> bytes:
    """A fraction where whole numbers stand: `unit_price` of one auction, or another `field`."""
    return _with_number(body, scene, b"1500.5")


@_rewriting
def _textual_number(body: bytes, scene: Scene) -> bytes:
    """Text where a number stands: `unit_price` of one auction, or another `field`."""
    return _with_number(body, scene, b'"1500"')


@_rewriting
def _null_number(body: bytes, scene: Scene) -> bytes:
    """A null where a number stands: `unit_price` of one auction, or another `field`."""
    return _with_number(body, scene, b"null")


@_rewriting_auctions
def _duplicate_ids(body: bytes, _scene: Scene) -> bytes:
    """One auction twice in the same list."""
    return _in_the_middle(body, lambda auction: auction + b"," + auction)


@_rewriting_auctions
def _unknown_time_left(body: bytes, _scene: Scene) -> bytes:
    """A `time_left` that is none of the four."""
    return _in_the_middle(body, lambda auction: re.sub(rb'"time_left":"\w+"', b'"time_left":"ETERNAL"', auction))


@_rewriting_auctions
def _missing_key(body: bytes, scene: Scene) -> bytes:
    """An auction without its `unit_price`, or without another `field`."""
    field = (scene.aim.field or "unit_price").encode()

    def edit(auction: bytes) -> bytes:
        without = re.sub(rb'"%s":(\{[^}]*\}|"[^"]*"|\d+),?' % field, b"", auction, count=1)
        return without.replace(b",}", b"}")

    return _in_the_middle(body, edit)


@_rewriting_auctions
def _odd_auction(body: bytes, scene: Scene) -> bytes:
    """One auction without its price, the same while it stands: the dearest of when the fault was set."""
    listings = scene.at_set.listings
    dearest = int(listings.auction_id[(listings.unit_price * (1 + listings.time_left.astype(np.int64))).argmax()])
    price = rb'(\{"id":%d,"item":\{"id":\d+\},"quantity":\d+),"unit_price":\d+' % dearest
    return re.sub(price, rb"\g<1>", body, count=1)


@_rewriting_auctions
def _odd_auctions(body: bytes, _scene: Scene) -> bytes:
    """Every tenth auction without its price, which is no slip any more."""
    parts = body.split(b',"unit_price":')
    return parts[0] + b"".join(
        part[part.index(b",") :] if number % _ODD_ONE_IN == 0 else b',"unit_price":' + part
        for number, part in enumerate(parts[1:], 1)
    )


@_rewriting_auctions
def _extra_keys(body: bytes, _scene: Scene) -> bytes:
    """Keys that nobody has seen before, at every level."""

    def edit(auction: bytes) -> bytes:
        grown = re.sub(rb'("item":\{"id":\d+)', rb'\g<1>,"context":3,"modifiers":[{"type":9}]', auction)
        return grown[:-1] + b',"seller":{"name":"Nobody"},"bid":null}'

    return _in_the_middle(body, edit)[:-1] + b',"connected_realm":{"href":"https://localhost/"}}'


@_replacing
def _html(answer: Reply, _scene: Scene) -> Reply:
    """A web page where JSON should be, with status 200 and the headers of the real answer."""
    page = html_answer(200)
    return replace(
        answer, status=200, headers={**answer.headers, "content-type": HTML_TYPE}, body=page.body, gzipped=None
    )


@_replacing
def _html_5xx(_answer: Reply, scene: Scene) -> Reply:
    """A web page with status 502, or another `status`."""
    return html_answer(scene.aim.status or 502)


@_replacing
def _server_error(_answer: Reply, scene: Scene) -> Reply:
    """Status 500, or another `status`, with an error in JSON."""
    return error_answer(scene.aim.status or 500)


@_replacing
def _rate_limited(_answer: Reply, scene: Scene) -> Reply:
    """Status 429, with `Retry-After` where `retry_after` is given."""
    return error_answer(429, retry_after=scene.aim.retry_after)


@_replacing
def _unauthorized(_answer: Reply, _scene: Scene) -> Reply:
    """Status 401 though the token is good."""
    return error_answer(401)


@_replacing
def _forbidden(_answer: Reply, _scene: Scene) -> Reply:
    """Status 403."""
    return error_answer(403)


@_replacing
def _not_found(_answer: Reply, _scene: Scene) -> Reply:
    """Status 404."""
    return error_answer(404)


@_replacing
def _no_content(answer: Reply, _scene: Scene) -> Reply:
    """Status 204 and no body."""
    return replace(answer, status=204, body=b"", gzipped=None)


@_replacing
def _cut_connection(answer: Reply, _scene: Scene) -> Reply:
    """The connection is reset in the middle of the body."""
    return replace(answer, delivery=Delivery.CUT)


@_replacing
def _slow_drip(answer: Reply, scene: Scene) -> Reply:
    """The body comes in twenty pieces with a pause before each: 0.2 s, or another number of `seconds`."""
    pause = _PIECES_PAUSE if scene.aim.seconds is None else scene.aim.seconds
    return replace(answer, delivery=Delivery.DRIP, pause=pause)


@_replacing
def _hang(answer: Reply, _scene: Scene) -> Reply:
    """No answer at all, until the client gives up."""
    return replace(answer, delivery=Delivery.NEVER)
