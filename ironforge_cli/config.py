"""Settings: frozen, typed, built once from options, the environment and the config file, each with its source.

Nothing below `cli` reads them; what a layer needs is passed down.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path

from ironforge_cli.errors import ConfigurationError
from ironforge_cli.given import (
    cleaned,
    content_of,
    is_open_to_others,
    masked,
    open_secrets,
    require_one_line,
    secret_in,
    suggestion,
    url_in,
    whole_archive_uri,
    whole_path,
)
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.setting_values import (
    HttpTimeout,
    Secret,
    WholeNumber,
    folder,
    http_url,
    one_of,
    postgresql_url,
    secret,
    text,
    texts,
    two_timeouts,
    word_of,
)
from ironforge_cli.setting_values import locale as locale_in
from ironforge_cli.setting_values import regions as regions_in
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT_HOME: Final = Path("/var/lib/ironforge")
CONFIG_VARIABLE: Final = "IRONFORGE_CONFIG"
PREFIX: Final = "IRONFORGE_"
_LARGEST_FILE: Final = 1_000_000


class LogLevel(StrEnum):
    """How much is said on stderr."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


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


class Described(Value, frozen=True):
    """What a setting is for, and how what is given becomes its value."""

    meaning: str
    reads: Callable[[Any], Any]


def _setting(reads: Callable[[Any], Any], default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"described": Described(meaning, reads)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, with its default. A field's name is its key in the config file; `variable_names` its variables."""

    database_url: Secret | None = _setting(
        postgresql_url, None, "PostgreSQL to keep the data in; unset: the embedded server"
    )
    database_url_file: Path | None = _setting(folder, None, "file that holds the URL of the database")
    read_url: Secret | None = _setting(
        postgresql_url,
        None,
        "PostgreSQL that questions are asked of: a replica, or by a reader's role; unset: the database",
    )
    home: Path = field(
        default_factory=default_home,
        metadata={"described": Described("embedded database, HTTP cache, spool, quarantine; created 0700", folder)},
    )
    client_id: str | None = _setting(text, None, "id of the Blizzard API client")
    client_secret: Secret | None = _setting(secret, None, "secret of the Blizzard API client")
    client_secret_file: Path | None = _setting(folder, None, "file that holds the secret")
    api_url: str = _setting(
        http_url, "https://{region}.api.blizzard.com", "`{region}` becomes a region, such as eu, in host or path"
    )
    oauth_url: str = _setting(http_url, "https://oauth.battle.net/token", "token endpoint")
    regions: tuple[Region, ...] = _setting(regions_in, DEFAULT_REGIONS, "regions of commands without --region")
    locale: str = _setting(locale_in, "en_US", "locale of names")
    http_timeout: HttpTimeout = _setting(two_timeouts, HttpTimeout(10, 60), "connect, read seconds")
    requests_per_second: int = _setting(WholeNumber(least=1, most=100), 40, "client-side limit (Blizzard: 100)")
    requests_per_hour: int = _setting(WholeNumber(least=1, most=36_000), 30_000, "client-side limit (Blizzard: 36,000)")
    raw_retention_days: int = _setting(
        WholeNumber(least=0, most=36_500), 30, "older raw partitions are dropped; 0 keeps all"
    )
    spool_limit_mb: int = _setting(
        WholeNumber(least=0, most=100_000_000), 4096, "most that may wait in the spool; 0 for no limit"
    )
    quarantine_limit_mb: int = _setting(
        WholeNumber(least=0, most=100_000_000), 512, "most refused bodies that are kept; 0 for no limit"
    )
    archive_uri: str | None = _setting(
        lambda value: whole_archive_uri(text(value)), None, "folder or s3://… for raw days before they are dropped"
    )
    partitions_ahead: int = _setting(WholeNumber(least=0, most=366), 7, "daily partitions kept ready ahead of today")
    pg_bindir: Path | None = _setting(folder, None, "embedded server: folder of PostgreSQL's programs")
    pg_user: str | None = _setting(text, None, "embedded server: account to run as when started by root")
    stats_retention_months: int = _setting(WholeNumber(least=0, most=1_200), 0, "months of hours; 0 keeps all")
    log_retention_days: int = _setting(
        WholeNumber(least=1, most=36_500), 400, "older rows of scraper_logs and benchmarks go"
    )
    ping_url: str | None = _setting(
        http_url, None, "health check to tell of cron commands; `{command}` becomes the command's name"
    )
    api_keys_file: Path | None = _setting(
        folder, None, "file of the keys that `serve` asks for; `ironforge keys` writes it; unset: no key"
    )
    api_origins: tuple[str, ...] = _setting(texts, (), "origins whose pages may ask `serve` from a browser")
    api_requests_per_minute: int = _setting(
        WholeNumber(least=0, most=1_000_000), 600, "by key or address, at `serve`; 0 is no limit, as on loopback"
    )
    api_trusted_proxies: tuple[str, ...] = _setting(
        texts, (), "addresses of proxies whose X-Forwarded-For `serve` believes"
    )
    log_level: LogLevel = _setting(word_of(LogLevel), LogLevel.INFO, "debug, info, warning or error")
    log_format: str = _setting(one_of("text", "json"), "text", "text, or json: one object a line, on stderr")

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


SETTINGS: Final[Mapping[str, Described]] = {one.name: one.metadata["described"] for one in fields(Settings)}
"""Each setting by its name, in the order in which they are shown."""

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
        case Secret():
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


class LoadedSettings(Value, frozen=True):
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
    for setting in SETTINGS:
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
    """The settings that are given, and the defaults of the others; raises `ConfigurationError` that names all wrong."""
    read: dict[str, Any] = {}
    wrong: list[str] = []
    for setting, value in given.items():
        try:
            read[setting] = SETTINGS[setting].reads(value)
        except ValueError as error:
            words, *part = error.args
            wrong.append(_explained(setting, part[0] if part else value, str(words), source=sources[setting]))
    if wrong:
        number = "A setting is" if len(wrong) == 1 else f"{len(wrong)} settings are"
        remedy = f"Correct or remove {'it' if len(wrong) == 1 else 'them'}."
        raise ConfigurationError(f"{number} wrong: {'; '.join(wrong)}. {remedy}")
    return Settings(**read)


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
        content = content_of(file, at_most=_LARGEST_FILE)
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
    import tomllib  # noqa: PLC0415 - most have no such file, and each start would wait for its patterns

    try:
        return file, tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeError as error:
        raise ConfigurationError(f"The config file {file} is not text in UTF-8. Write it anew as such.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The config file {file} is not TOML: {error}.") from error


def _explained(setting: str, value: Any, words: str, *, source: str) -> str:
    """Say which setting is wrong and where it stands, without quoting what can be a secret."""
    where = f"{setting} in {source}" if source.startswith("/") else source
    quoted = "" if setting in _NEVER_QUOTED else f" ({masked(repr(value))})"
    return f"{where}{quoted}: {words}"


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {CONFIG_VARIABLE, *(name for setting in SETTINGS for name in variable_names(setting))}
    return [
        f"The variable {name} is not one of ironforge's and does nothing{suggestion(name, known, prefix=PREFIX)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known
    ]


def _file_oddities(file: Path | None, in_file: Mapping[str, Any]) -> list[str]:
    known = set(SETTINGS)
    found = [
        f"The key {key!r} in {file} is not one of ironforge's and does nothing{suggestion(key, known, prefix=PREFIX)}"
        for key in sorted(in_file)
        if key not in known
    ]
    secret_keys = _SECRETS & set(in_file)
    if file is not None and secret_keys and is_open_to_others(file):
        found.append(f"{file} holds {' and '.join(sorted(secret_keys))} and others can read it: chmod 600 {file}.")
    return found
