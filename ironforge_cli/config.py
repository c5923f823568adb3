"""Settings: frozen, typed, built once from options, the environment and the config file, each with its source.

Nothing below `cli` reads them; what a layer needs is passed down.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ironforge_cli.errors import ConfigurationError
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_HOME: Final = Path("/var/lib/ironforge")
CONFIG_VARIABLE: Final = "IRONFORGE_CONFIG"
PREFIX: Final = "IRONFORGE_"
_REGION_MARK: Final = "{region}"
# The password of a URL, or of a `key=value` connection string.
_PASSWORD: Final = re.compile(r"(?<=://)([^:/@]*):[^@]*@")


class LogLevel(StrEnum):
    """How much is said on stderr."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """Lines for people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


class HttpTimeout(NamedTuple):
    """Seconds to wait for a connection, and for the next bytes of an answer."""

    connect: float
    read: float


def _split(value: Any) -> Any:
    """Lists come as `eu,us` from the environment and as arrays from the file."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _two_timeouts(value: Any) -> HttpTimeout:
    parts = [float(part) for part in _split(value)]
    if len(parts) != len(HttpTimeout._fields) or not all(0 < part < float("inf") for part in parts):
        raise ValueError("give connect and read seconds, such as 10,60")
    return HttpTimeout(*parts)


def _distinct_regions(value: tuple[Region, ...]) -> tuple[Region, ...]:
    if not value:
        raise ValueError("name at least one region, such as eu,us")
    return tuple(dict.fromkeys(value))


def _http_url(value: str) -> str:
    parts = urlsplit(value.replace(_REGION_MARK, "region"))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("give a URL that begins with https:// or http:// and names a host")
    return value.rstrip("/")


def _absolute(value: Path) -> Path:
    return Path(os.path.abspath(value.expanduser()))  # noqa: PTH100 - Path.absolute() keeps `..`


def default_home() -> Path:
    """Where data goes when nobody says where: the user's data folder, for root a system-wide one."""
    return ROOT_HOME if os.geteuid() == 0 else user_data_path("ironforge", appauthor=False)


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Folder = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """Every setting, with its default. A field's name is its key in the config file; `variable_names` its variables."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix=PREFIX, env_ignore_empty=True)

    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL to keep the data in; unset: the embedded server"
    )
    home: Folder = Field(
        default_factory=default_home, description="embedded database, HTTP cache, spool, quarantine; created 0700"
    )
    client_id: str | None = Field(default=None, description="id of the Blizzard API client")
    client_secret: SecretStr | None = Field(default=None, description="secret of the Blizzard API client")
    client_secret_file: Folder | None = Field(default=None, description="file that holds the secret")
    api_url: HttpUrl = Field(
        default="https://{region}.api.blizzard.com", description="`{region}` becomes eu or us, in host or path"
    )
    oauth_url: HttpUrl = Field(default="https://oauth.battle.net/token", description="token endpoint")
    regions: Annotated[tuple[Region, ...], NoDecode, BeforeValidator(_split), AfterValidator(_distinct_regions)] = (
        Field(default=tuple(Region), description="regions of commands without --region")
    )
    locale: str = Field(default="en_US", pattern=r"^[a-z]{2}_[A-Z]{2}$", description="locale of names")
    http_timeout: Annotated[HttpTimeout, NoDecode, BeforeValidator(_two_timeouts)] = Field(
        default=HttpTimeout(10, 60), description="connect, read seconds"
    )
    requests_per_second: int = Field(default=40, ge=1, le=100, description="client-side limit (Blizzard: 100)")
    requests_per_hour: int = Field(default=30_000, ge=1, le=36_000, description="client-side limit (Blizzard: 36,000)")
    raw_retention_days: int = Field(default=30, ge=0, description="older raw partitions are dropped; 0 keeps all")
    archive_uri: str | None = Field(default=None, description="folder or s3://… for raw days before they are dropped")
    partitions_ahead: int = Field(default=7, ge=0, le=366, description="daily partitions kept ready ahead of today")
    pg_bindir: Folder | None = Field(default=None, description="embedded server: folder of PostgreSQL's programs")
    pg_user: str | None = Field(default=None, description="embedded server: account to run as when started by root")
    log_retention_days: int = Field(default=400, ge=1, description="older rows of scraper_logs and benchmarks go")
    ping_url: HttpUrl | None = Field(default=None, description="health check to GET around cron commands")
    log_level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error")
    log_format: LogFormat = Field(default=LogFormat.TEXT, description="text, or json: one object a line, on stderr")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values as given: `load` has put the sources together already, and remembers which is whose."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def credentials(self) -> tuple[str, str]:
        """The API client's id and secret; raises `ConfigurationError` where one is missing or can't be read."""
        secret = self.client_secret.get_secret_value() if self.client_secret else None
        if secret is None and self.client_secret_file is not None:
            try:
                secret = self.client_secret_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not text"
                raise ConfigurationError(
                    f"BLIZZARD_CLIENT_SECRET_FILE names {self.client_secret_file}, which can't be read ({reason}). "
                    "Correct the path or its permissions."
                ) from error
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
        return self.client_id, secret


# Variables that don't follow from a field's name, in order of precedence.
_VARIABLES: Final = {
    "database_url": ("IRONFORGE_DATABASE_URL", "DATABASE_URL"),
    "client_id": ("BLIZZARD_CLIENT_ID",),
    "client_secret": ("BLIZZARD_CLIENT_SECRET",),
    "client_secret_file": ("BLIZZARD_CLIENT_SECRET_FILE",),
}


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
        case SecretStr() if setting == "database_url":
            return _PASSWORD.sub(r"\1:****@", value.get_secret_value())
        case SecretStr():
            return "****"
        case HttpTimeout(connect, read):
            return f"{connect:g},{read:g}"
        case tuple():
            return ",".join(settings.regions)
        case None | int():
            return value
        case _:
            return str(value)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, where each came from (an option, a variable, the file or `default`), and what is odd about them."""

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]
    file: Path | None
    """The config file that was read, if there is one."""


class _Environment(EnvSettingsSource):
    """The environment as a parameter: no code below the top reads the process's own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environment.items() if value}

    def of(self, setting: str) -> tuple[str, str] | None:
        """The strongest variable of a setting that is set, and its value."""
        for name in variable_names(setting):
            value = self.env_vars.get(name.lower())
            if value:
                return name, value
        return None


def load(*, options: Mapping[str, Any], environment: Mapping[str, str]) -> LoadedSettings:
    """Build the settings: option > environment variable > config file > default.

    `options` holds what the command line gave, by setting; None there counts as not given. Raises
    `ConfigurationError`, which names every value that is wrong, with its source and what it should look like.
    """
    file, in_file = _read_file(environment)
    variables = _Environment(environment)
    given: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in Settings.model_fields:
        variable = variables.of(setting)
        if options.get(setting) is not None:
            given[setting], sources[setting] = options[setting], f"--{setting.replace('_', '-')}"
        elif variable is not None:
            sources[setting], given[setting] = variable
        elif setting in in_file:
            given[setting], sources[setting] = in_file[setting], str(file)
        else:
            sources[setting] = "default"
    try:
        settings = Settings(**InitSettingsSource(Settings, given)())
    except ValidationError as error:
        raise ConfigurationError(_explained(error, sources)) from None
    warnings = (*_unknown_variables(environment), *_file_oddities(file, in_file))
    return LoadedSettings(settings=settings, sources=sources, warnings=warnings, file=file)


def _read_file(environment: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    named = environment.get(CONFIG_VARIABLE)
    file = _absolute(Path(named)) if named else user_config_path("ironforge", appauthor=False) / "config.toml"
    try:
        return file, tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if named:
            raise ConfigurationError(
                f"{CONFIG_VARIABLE} names {file}, which is not there. Correct or unset it."
            ) from None
        return None, {}
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"The config file {file} can't be read: {error}. Correct its permissions.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The config file {file} is not TOML: {error}.") from error


def _explained(error: ValidationError, sources: Mapping[str, str]) -> str:
    """Say which settings are wrong and where they stand, without quoting what can be a secret."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_context=False):
        setting = str(problem["loc"][0])
        source = sources[setting]
        where = f"{setting} in {source}" if source.startswith("/") else source
        secret = Settings.model_fields[setting].annotation == SecretStr | None
        value = "" if secret else f" ({problem['input']!r})"
        lines.append(f"{where}{value}: {problem['msg'].removeprefix('Value error, ')}")
    return "A setting is wrong. " + "; ".join(lines) + ". `ironforge config show` lists all of them."


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {CONFIG_VARIABLE, *(name for setting in Settings.model_fields for name in variable_names(setting))}
    return [
        f"The variable {name} is not one of ironforge's and does nothing{_suggestion(name, known)}."
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known
    ]


def _file_oddities(file: Path | None, in_file: Mapping[str, Any]) -> list[str]:
    known = set(Settings.model_fields)
    found = [
        f"The key {key!r} in {file} is not one of ironforge's and does nothing{_suggestion(key, known)}."
        for key in sorted(in_file)
        if key not in known
    ]
    secret_keys = {"client_secret", "database_url"} & set(in_file)
    if file is not None and secret_keys and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found.append(f"{file} holds {' and '.join(sorted(secret_keys))} and others can read it: chmod 600 {file}.")
    return found


def _suggestion(name: str, known: set[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
