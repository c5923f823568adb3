"""Settings: frozen, typed, built once from options, the environment and the config file, each with its source.

Nothing below `cli` reads them; what a layer needs is passed down.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from ironforge_cli.errors import ConfigurationError
from ironforge_cli.given import (
    CONNECTION_WORDS,
    cleaned,
    content_of,
    in_plain_words,
    is_open_to_others,
    masked,
    open_secrets,
    require_one_line,
    secret_in,
    suggestion,
    url_in,
    whole_archive_uri,
    whole_number,
    whole_path,
)
from ironforge_cli.regions import DEFAULT_REGIONS, Region

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT_HOME: Final = Path("/var/lib/ironforge")
CONFIG_VARIABLE: Final = "IRONFORGE_CONFIG"
PREFIX: Final = "IRONFORGE_"
_LARGEST_FILE: Final = 1_000_000
_LONGEST_TIMEOUT: Final = 3_600
# Those that Blizzard's game data have names in.
# fmt: off
LOCALES: Final = (
    "en_US", "es_MX", "pt_BR", "de_DE", "en_GB", "es_ES", "fr_FR", "it_IT", "ru_RU", "ko_KR", "zh_TW", "zh_CN",
)
# fmt: on
_REGION_MARK: Final = "{region}"
_POSTGRESQL: Final = {"postgres", "postgresql"}


class LogLevel(StrEnum):
    """How much is said on stderr."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class HttpTimeout(NamedTuple):
    """Seconds to wait for a connection, and for the next bytes of an answer."""

    connect: float
    read: float


def _split(value: Any) -> Any:
    """Lists come as `eu,us` from the environment and as arrays from the file."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    """Words are the same in capitals."""
    return value.strip().lower() if isinstance(value, str) else value


def _two_timeouts(value: Any) -> HttpTimeout:
    try:
        parts = [float(part) for part in _split(value)]
    except (TypeError, ValueError):
        parts = []
    if len(parts) != len(HttpTimeout._fields) or not all(0 < part <= _LONGEST_TIMEOUT for part in parts):
        raise ValueError(f"give connect and read seconds, such as 10,60, none above {_LONGEST_TIMEOUT}")
    return HttpTimeout(*parts)


def _distinct_regions(value: tuple[Region, ...]) -> tuple[Region, ...]:
    if not value:
        raise ValueError("name at least one region, such as eu,us")
    return tuple(dict.fromkeys(value))


def _region_names(value: Any) -> Any:
    names = _split(value)
    return [_lower(name) for name in names] if isinstance(names, list) else names  # pyright: ignore[reportUnknownVariableType] - whatever the file holds


def _postgresql_url(value: SecretStr) -> SecretStr:
    given = value.get_secret_value()
    scheme, separator, _ = given.partition("://")
    is_url = bool(separator) and scheme.partition("+")[0] in _POSTGRESQL
    if not is_url and not CONNECTION_WORDS.match(given):
        raise ValueError("give a PostgreSQL URL such as postgresql://user:password@host:5432/database")
    return value


def _locale(value: str) -> str:
    if value not in LOCALES:
        raise ValueError(f"give one of Blizzard's locales: {', '.join(LOCALES)}")
    return value


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value.replace(_REGION_MARK, "region"))
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        # Brackets without an end.
        is_whole = False
    if not is_whole or not value.isprintable():
        raise ValueError("give a URL that begins with https:// or http:// and names a host")
    return value.rstrip("/")


def _users(folder: Callable[..., Path]) -> Path | None:
    """Ironforge's folder among a user's of a kind; None where the account has no home."""
    try:
        found = folder("ironforge", appauthor=False)
    except RuntimeError:
        return None
    return found if found.is_absolute() else None


def default_home() -> Path:
    """Where data goes when nobody says where: the user's data folder, for root a system-wide one.

    Raises `ConfigurationError` where there is no such folder.
    """
    if os.geteuid() == 0:
        return ROOT_HOME
    folder = _users(user_data_path)
    if folder is None:
        raise ConfigurationError(
            "This account has no home folder: HOME or XDG_DATA_HOME is no whole path, or neither it nor passwd says "
            "one. Set IRONFORGE_HOME to a folder for what ironforge keeps."
        )
    return folder


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Folder = Annotated[Path, AfterValidator(whole_path)]
WholeNumber = Annotated[int, BeforeValidator(whole_number)]


class Settings(BaseModel):
    """Every setting, with its default. A field's name is its key in the config file; `variable_names` its variables."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    database_url: Annotated[SecretStr, AfterValidator(_postgresql_url)] | None = Field(
        default=None, description="PostgreSQL to keep the data in; unset: the embedded server"
    )
    database_url_file: Folder | None = Field(default=None, description="file that holds the URL of the database")
    read_url: Annotated[SecretStr, AfterValidator(_postgresql_url)] | None = Field(
        default=None,
        description="PostgreSQL that questions are asked of: a replica, or by a reader's role; unset: the database",
    )
    home: Folder = Field(
        default_factory=default_home, description="embedded database, HTTP cache, spool, quarantine; created 0700"
    )
    client_id: str | None = Field(default=None, description="id of the Blizzard API client")
    client_secret: SecretStr | None = Field(default=None, description="secret of the Blizzard API client")
    client_secret_file: Folder | None = Field(default=None, description="file that holds the secret")
    api_url: HttpUrl = Field(
        default="https://{region}.api.blizzard.com",
        description="`{region}` becomes a region, such as eu, in host or path",
    )
    oauth_url: HttpUrl = Field(default="https://oauth.battle.net/token", description="token endpoint")
    regions: Annotated[tuple[Region, ...], BeforeValidator(_region_names), AfterValidator(_distinct_regions)] = Field(
        default=DEFAULT_REGIONS, description="regions of commands without --region"
    )
    locale: Annotated[str, AfterValidator(_locale)] = Field(default="en_US", description="locale of names")
    http_timeout: Annotated[HttpTimeout, BeforeValidator(_two_timeouts)] = Field(
        default=HttpTimeout(10, 60), description="connect, read seconds"
    )
    requests_per_second: WholeNumber = Field(default=40, ge=1, le=100, description="client-side limit (Blizzard: 100)")
    requests_per_hour: WholeNumber = Field(
        default=30_000, ge=1, le=36_000, description="client-side limit (Blizzard: 36,000)"
    )
    raw_retention_days: WholeNumber = Field(
        default=30, ge=0, le=36_500, description="older raw partitions are dropped; 0 keeps all"
    )
    spool_limit_mb: WholeNumber = Field(
        default=4096, ge=0, le=100_000_000, description="most that may wait in the spool; 0 for no limit"
    )
    quarantine_limit_mb: WholeNumber = Field(
        default=512, ge=0, le=100_000_000, description="most refused bodies that are kept; 0 for no limit"
    )
    archive_uri: Annotated[str, AfterValidator(whole_archive_uri)] | None = Field(
        default=None, description="folder or s3://… for raw days before they are dropped"
    )
    partitions_ahead: WholeNumber = Field(
        default=7, ge=0, le=366, description="daily partitions kept ready ahead of today"
    )
    pg_bindir: Folder | None = Field(default=None, description="embedded server: folder of PostgreSQL's programs")
    pg_user: str | None = Field(default=None, description="embedded server: account to run as when started by root")
    stats_retention_months: WholeNumber = Field(default=0, ge=0, le=1_200, description="months of hours; 0 keeps all")
    log_retention_days: WholeNumber = Field(
        default=400, ge=1, le=36_500, description="older rows of scraper_logs and benchmarks go"
    )
    ping_url: HttpUrl | None = Field(
        default=None, description="health check to tell of cron commands; `{command}` becomes the command's name"
    )
    api_keys_file: Folder | None = Field(
        default=None, description="file of the keys that `serve` asks for; `ironforge keys` writes it; unset: no key"
    )
    api_origins: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(), description="origins whose pages may ask `serve` from a browser"
    )
    api_requests_per_minute: WholeNumber = Field(
        default=600, ge=0, le=1_000_000, description="by key or address, at `serve`; 0 is no limit, as on loopback"
    )
    api_trusted_proxies: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(), description="addresses of proxies whose X-Forwarded-For `serve` believes"
    )
    log_level: Annotated[LogLevel, BeforeValidator(_lower)] = Field(
        default=LogLevel.INFO, description="debug, info, warning or error"
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = Field(
        default="text", description="text, or json: one object a line, on stderr"
    )

    def credentials(self) -> tuple[str, str]:
        """The API client's id and secret; raises `ConfigurationError` where one is missing or can't be read."""
        secret = self.client_secret.get_secret_value() if self.client_secret else None
        source = "BLIZZARD_CLIENT_SECRET"
        if secret is None and self.client_secret_file is not None:
            source = f"BLIZZARD_CLIENT_SECRET_FILE's {self.client_secret_file}"
            secret = secret_in(
                self.client_secret_file, variable="BLIZZARD_CLIENT_SECRET_FILE", holds="the API client's secret"
            )
        missing = [
            name
            for name, value in (("BLIZZARD_CLIENT_ID", self.client_id), ("BLIZZARD_CLIENT_SECRET", secret))
            if not value
        ]
        if missing or not self.client_id or not secret:
            raise ConfigurationError(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set. Create an API client at "
                "https://develop.battle.net/access/clients and set both, or try `ironforge demo`, which needs none."
            )
        require_one_line(self.client_id, source="BLIZZARD_CLIENT_ID")
        require_one_line(secret, source=source)
        return self.client_id, secret


# Variables that don't follow from a field's name, in order of precedence.
_VARIABLES: Final = {
    "database_url": ("IRONFORGE_DATABASE_URL", "DATABASE_URL"),
    "client_id": ("BLIZZARD_CLIENT_ID",),
    "client_secret": ("BLIZZARD_CLIENT_SECRET",),
    "client_secret_file": ("BLIZZARD_CLIENT_SECRET_FILE",),
}


_URL_FILE: Final = "IRONFORGE_DATABASE_URL_FILE"
_SECRETS: Final = {"database_url", "read_url", "client_secret"}
_URLS: Final = {"database_url", "read_url"}
_NEVER_QUOTED: Final = _SECRETS | {"ping_url"}


def variable_names(setting: str) -> tuple[str, ...]:
    """The environment variables of a setting, the strongest first.

    >>> variable_names("locale")
    ('IRONFORGE_LOCALE',)
    """
    return _VARIABLES.get(setting, (PREFIX + setting.upper(),))


def shown(settings: Settings, setting: str) -> str | int | None:
    """A setting's value as people may see it: secrets masked, the password of a URL too."""
    value = getattr(settings, setting)
    match value:
        case SecretStr():
            return masked(value.get_secret_value()) if setting in _URLS else "****"
        case str() if setting == "ping_url":
            # Whoever knows its path can say that all is well.
            parts = urlsplit(value)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/****"
        case HttpTimeout(connect, read):
            return f"{connect:g},{read:g}"
        case tuple():
            return ",".join(value) or None  # pyright: ignore[reportUnknownArgumentType] - every tuple is of texts
        case None | int():
            return value
        case _:
            return masked(str(value))


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, where each came from (an option, a variable, the file or `default`), and what is odd about them."""

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]
    file: Path | None
    """The config file that was read, if there is one."""


def _variable(environment: Mapping[str, str], setting: str) -> tuple[str, str] | None:
    """The strongest variable of a setting that is set, and its value; an empty one counts as not set."""
    for name in variable_names(setting):
        value = cleaned(environment.get(name, ""))
        if value:
            return name, value
    return None


def load(*, options: Mapping[str, Any], environment: Mapping[str, str]) -> LoadedSettings:
    """Build the settings: option > environment variable > config file > default.

    `options` holds what the command line gave, by setting; None there counts as not given. Raises
    `ConfigurationError`, which names every value that is wrong, with its source and what it should look like.
    """
    file, in_file = _read_file(environment)
    given: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in Settings.model_fields:
        variable = _variable(environment, setting)
        if options.get(setting) is not None:
            given[setting], sources[setting] = options[setting], f"--{setting.replace('_', '-')}"
        elif variable is not None:
            sources[setting], given[setting] = variable
        elif setting in in_file:
            given[setting], sources[setting] = in_file[setting], str(file)
        else:
            sources[setting] = "default"
    # A secret in the file must not win over a file of secrets that the environment names.
    if sources["client_secret"] == str(file) and sources["client_secret_file"] not in {str(file), "default"}:
        del given["client_secret"]
        sources |= {"client_secret": "default"}
    settings = _validated(given, sources)
    if settings.database_url_file is not None and _is_url_of_file(sources, in_file=str(file)):
        given["database_url"] = url_in(settings.database_url_file, variable=_URL_FILE)
        sources["database_url"] = f"{_URL_FILE}'s {settings.database_url_file}"
        settings = _validated(given, sources)
    used = {
        "the API client's secret": None if settings.client_secret else settings.client_secret_file,
        "the URL of the database": settings.database_url_file if _URL_FILE in sources["database_url"] else None,
    }
    warnings = (*_unknown_variables(environment), *_file_oddities(file, in_file), *open_secrets(used))
    return LoadedSettings(settings=settings, sources=sources, warnings=warnings, file=file)


def _validated(given: Mapping[str, Any], sources: Mapping[str, str]) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError(_explained(error, sources)) from None


def _is_url_of_file(sources: Mapping[str, str], *, in_file: str) -> bool:
    """Whether the file of the URL counts: more than what stands in the config file, and than what is no word for us."""
    weaker = {"default"} if sources["database_url_file"] == in_file else {"default", in_file, "DATABASE_URL"}
    return sources["database_url"] in weaker


def config_file(environment: Mapping[str, str]) -> Path | None:
    """Where the config file is, or would be; None for who has no folder of settings.

    Raises `ConfigurationError` where it is named in a way that can't be.
    """
    named = cleaned(environment.get(CONFIG_VARIABLE, ""))
    try:
        folder = None if named else _users(user_config_path)
        return whole_path(Path(named)) if named else folder and folder / "config.toml"
    except ValueError as error:
        raise ConfigurationError(f"{CONFIG_VARIABLE} ({named!r}): {error}.") from None


def _read_file(environment: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    named, file = cleaned(environment.get(CONFIG_VARIABLE, "")), config_file(environment)
    if file is None:
        return None, {}
    try:
        return file, tomllib.loads(content_of(file, at_most=_LARGEST_FILE).decode("utf-8-sig"))
    except FileNotFoundError:
        if named:
            raise ConfigurationError(
                f"{CONFIG_VARIABLE} names {file}, which is not there. Correct or unset it."
            ) from None
        return None, {}
    except OSError as error:
        reason = error.strerror or error
        raise ConfigurationError(
            f"The config file {file} can't be read ({reason}). Correct its path or permissions."
        ) from error
    except UnicodeError as error:
        raise ConfigurationError(f"The config file {file} is not text in UTF-8. Write it anew as such.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The config file {file} is not TOML: {error}.") from error


def _explained(error: ValidationError, sources: Mapping[str, str]) -> str:
    """Say which settings are wrong and where they stand, without quoting what can be a secret."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_context=False):
        setting = str(problem["loc"][0])
        source = sources[setting]
        where = f"{setting} in {source}" if source.startswith("/") else source
        value = "" if setting in _NEVER_QUOTED else f" ({masked(repr(problem['input']))})"
        lines.append(f"{where}{value}: {in_plain_words(problem['msg'])}")
    number = "A setting is" if len(lines) == 1 else f"{len(lines)} settings are"
    return f"{number} wrong: {'; '.join(lines)}. Correct or remove {'it' if len(lines) == 1 else 'them'}."


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {CONFIG_VARIABLE, *(name for setting in Settings.model_fields for name in variable_names(setting))}
    return [
        f"The variable {name} is not one of ironforge's and does nothing{suggestion(name, known, prefix=PREFIX)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known
    ]


def _file_oddities(file: Path | None, in_file: Mapping[str, Any]) -> list[str]:
    known = set(Settings.model_fields)
    found = [
        f"The key {key!r} in {file} is not one of ironforge's and does nothing{suggestion(key, known, prefix=PREFIX)}"
        for key in sorted(in_file)
        if key not in known
    ]
    secret_keys = _SECRETS & set(in_file)
    if file is not None and secret_keys and is_open_to_others(file):
        found.append(f"{file} holds {' and '.join(sorted(secret_keys))} and others can read it: chmod 600 {file}.")
    return found
