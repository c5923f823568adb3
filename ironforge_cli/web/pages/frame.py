"""What stands around every page: where it is, of which region, which pages lie beside it, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from ironforge_cli.web.pages import assets, marks, words
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ironforge_cli.answers.answer import Basis
    from ironforge_cli.regions import Region

_MOST_STRETCHES: Final = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a page is."""

    root: str
    """What a proxy puts before every path, as `/market`; empty where there is none."""
    path: str
    """The page's own, below the root."""
    query: Mapping[str, str]
    region: Region
    regions: Sequence[Region]
    now: datetime
    has_pictures: bool
    """Whether the program that draws is there."""
    beside: str | None = None
    """The path whose `.json` and `.csv` hold what the page shows; its own where nothing is said."""

    def url(self, path: str, **query: object) -> str:
        """An address of ours: a path below the root, with what is not None of a query."""
        given = {key: str(value) for key, value in query.items() if value is not None}
        return f"{self.root}{quote(path)}{'?' + urlencode(given) if given else ''}"

    def item(self, item_id: int) -> str:
        """The page of an item in this region."""
        return self.url(f"/{self.region}/items/{item_id}")

    def here(self, region: Region) -> str:
        """This page, of another region."""
        rest = self.path.removeprefix(f"/{self.region}")
        is_of_region = rest != self.path and rest[:1] in {"", "/"}
        return self.url(f"/{region}{rest}", **self.query) if is_of_region else self.url(f"/{region}")

    def changed(self, **query: object) -> str:
        """This page, with some of its query changed."""
        return self.url(self.path, **{**self.query, **query})

    def other(self, ending: str) -> str:
        """What the page shows, for programs."""
        path = self.beside or self.path
        return self.url(f"{path.rstrip('/') or f'/{self.region}'}.{ending}", **self.query)

    def asset(self, name: str) -> str:
        """A file of ours, by an address that changes with what is in it."""
        return self.url(assets.path(name))


_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("ironforge_cli.web.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_KNOWN: Final = cast("dict[str, Any]", _ENVIRONMENT.globals)
_KNOWN.update(
    money=words.money,
    plain_money=words.plain_money,
    number=words.number,
    change=words.change,
    band=words.band,
    when=words.when,
    due=words.due,
    at=words.at,
    utc=words.utc,
    ranked=words.ranked,
    counted=counted,
    sparkline=marks.sparkline,
    depth_bar=marks.depth_bar,
    UNKNOWN=words.UNKNOWN,
)


def written(template: str, frame: Frame, **shown: Any) -> str:
    """A page as HTML. What it shows is escaped where it is put in."""
    return _ENVIRONMENT.get_template(template).render(frame=frame, **shown)


def missing(basis: Basis) -> str:
    """Which hours of a span are not stored, in words: those that follow each other together, the latest first."""
    hours = basis.missing
    if not hours:
        return "no hour missing"
    stretches: list[tuple[datetime, datetime]] = []
    for hour in hours:
        if stretches and (hour - stretches[-1][1]).total_seconds() <= 5400:  # noqa: PLR2004 - an hour and a half
            stretches[-1] = (stretches[-1][0], hour)
        else:
            stretches.append((hour, hour))
    said = [
        f"{first:%Y-%m-%d %H}:00" + (f" to {_end(first, last)}" if last > first else "")
        for first, last in reversed(stretches[-_MOST_STRETCHES:])
    ]
    rest = ["earlier ones"] if len(stretches) > _MOST_STRETCHES else []
    return f"missing {counted(len(hours), 'hour')}: {', '.join([*said, *rest])} (UTC)"


def _end(first: datetime, last: datetime) -> str:
    return f"{last:%H}:00" if first.date() == last.date() else f"{last:%Y-%m-%d %H}:00"
