"""What a setting may be: each reader takes what a variable, the config file or an option holds, and gives the value.

A reader raises `ValueError` with what to write instead, and the part that is wrong where that isn't the whole.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from ironforge_cli.given import CONNECTION_WORDS, whole_number, whole_path
from ironforge_cli.regions import Region
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

    Word = TypeVar("Word", bound=StrEnum)

# Those that Blizzard's game data have names in.
# fmt: off
LOCALES: Final = (
    "en_US", "es_MX", "pt_BR", "de_DE", "en_GB", "es_ES", "fr_FR", "it_IT", "ru_RU", "ko_KR", "zh_TW", "zh_CN",
)
# fmt: on
_LONGEST_TIMEOUT: Final = 3_600
_REGION_MARK: Final = "{region}"
_POSTGRESQL: Final = {"postgres", "postgresql"}


class HttpTimeout(NamedTuple):
    """Seconds to wait for a connection, and for the next bytes of an answer."""

    connect: float
    read: float


class Secret(Value, frozen=True):
    """A text that nobody may see: it prints as stars."""

    _value: str

    def get_secret_value(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        """Stars, so that no message and no traceback holds the text."""
        return "Secret('****')"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """Reads a whole number within limits.

    >>> WholeNumber(least=1, most=100)(" 40 ")
    40
    >>> WholeNumber(least=1, most=100)(0)
    Traceback (most recent call last):
    ValueError: give 1 or more
    """

    _: KW_ONLY
    least: int
    most: int

    def __call__(self, value: Any) -> int:
        """The number; raises `ValueError`."""
        given = whole_number(value)
        try:
            number = int(given) if isinstance(given, int) or str(given).isascii() else None  # pyright: ignore[reportArgumentType] - what is no number is refused here
        except (TypeError, ValueError):
            number = None
        if number is None:
            raise ValueError("give a whole number")
        if number < self.least:
            raise ValueError(f"give {self.least} or more")
        if number > self.most:
            raise ValueError(f"give {self.most} at most")
        return number


def text(value: Any) -> str:
    """A text as it stands; raises `ValueError` for what a file gives as a number or a list."""
    if not isinstance(value, str):
        raise ValueError("give a text")  # noqa: TRY004 - it is told as any other wrong value
    return value


def secret(value: Any) -> Secret:
    """A text that is never shown."""
    return Secret(text(value))


def postgresql_url(value: Any) -> Secret:
    """The URL of a PostgreSQL, or a `key=value` connection string."""
    given = text(value)
    scheme, separator, _ = given.partition("://")
    is_url = bool(separator) and scheme.partition("+")[0] in _POSTGRESQL
    if not is_url and not CONNECTION_WORDS.match(given):
        raise ValueError("give a PostgreSQL URL such as postgresql://user:password@host:5432/database")
    return Secret(given)


def http_url(value: Any) -> str:
    """A URL with a scheme and a host, without slashes at its end; `{region}` may stand in it."""
    given = text(value)
    try:
        parts = urlsplit(given.replace(_REGION_MARK, "region"))
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        # Brackets without an end.
        is_whole = False
    if not is_whole or not given.isprintable():
        raise ValueError("give a URL that begins with https:// or http:// and names a host")
    return given.rstrip("/")


def folder(value: Any) -> Path:
    """A whole path."""
    if not isinstance(value, str | Path):
        raise ValueError("give a path")  # noqa: TRY004 - it is told as any other wrong value
    return whole_path(Path(value))


def locale(value: Any) -> str:
    """One of Blizzard's locales."""
    given = text(value)
    if given not in LOCALES:
        raise ValueError(f"give one of Blizzard's locales: {', '.join(LOCALES)}")
    return given


def regions(value: Any) -> tuple[Region, ...]:
    """Regions, each once: a text such as `eu,us` from the environment, a list from the file."""
    names: Any = _split(value)
    if not isinstance(names, list | tuple):
        raise ValueError("give a list")  # noqa: TRY004 - it is told as any other wrong value
    found = tuple(dict.fromkeys(word_of(Region)(name) for name in names))  # pyright: ignore[reportUnknownVariableType] - whatever the file holds
    if not found:
        raise ValueError("name at least one region, such as eu,us")
    return found


def two_timeouts(value: Any) -> HttpTimeout:
    """Seconds to connect and to read."""
    try:
        parts = [float(part) for part in _split(value)]
    except (TypeError, ValueError):
        parts = []
    if len(parts) != len(HttpTimeout._fields) or not all(0 < part <= _LONGEST_TIMEOUT for part in parts):
        raise ValueError(f"give connect and read seconds, such as 10,60, none above {_LONGEST_TIMEOUT}")
    return HttpTimeout(*parts)


def texts(value: Any) -> tuple[str, ...]:
    """Texts: with commas between them from the environment, a list from the file."""
    parts: Any = _split(value)
    if not isinstance(parts, list | tuple):
        raise ValueError("give a list")  # noqa: TRY004 - it is told as any other wrong value
    return tuple(text(part) for part in parts)  # pyright: ignore[reportUnknownVariableType] - whatever the file holds


def one_of(*words: str) -> Callable[[Any], str]:
    """A reader of one of these words, also in capitals."""

    def read(value: Any) -> str:
        given = value.strip().lower() if isinstance(value, str) else value
        if not isinstance(given, str) or given not in words:
            *most, last = (f"'{word}'" for word in words)
            raise ValueError(f"give {', '.join(most)} or {last}", value)
        return str(given)

    return read


def word_of(words: type[Word]) -> Callable[[Any], Word]:
    """A reader of one of an enum's words."""
    read = one_of(*words)
    return lambda value: words(read(value))


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
