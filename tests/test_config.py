from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli import config
from ironforge_cli.config import HttpTimeout, LoadedSettings, LogLevel, Settings
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator

# INTERFACE: variables of each setting, the strongest first, and its default as `config show` writes it.
TABLE: dict[str, tuple[tuple[str, ...], Any]] = {
    "database_url": (("IRONFORGE_DATABASE_URL", "DATABASE_URL"), None),
    "database_url_file": (("IRONFORGE_DATABASE_URL_FILE",), None),
    "read_url": (("IRONFORGE_READ_URL",), None),
    "home": (("IRONFORGE_HOME",), "the user's data folder"),
    "client_id": (("BLIZZARD_CLIENT_ID",), None),
    "client_secret": (("BLIZZARD_CLIENT_SECRET",), None),
    "client_secret_file": (("BLIZZARD_CLIENT_SECRET_FILE",), None),
    "api_url": (("IRONFORGE_API_URL",), "https://{region}.api.blizzard.com"),
    "oauth_url": (("IRONFORGE_OAUTH_URL",), "https://oauth.battle.net/token"),
    "regions": (("IRONFORGE_REGIONS",), "eu,us"),
    "locale": (("IRONFORGE_LOCALE",), "en_US"),
    "http_timeout": (("IRONFORGE_HTTP_TIMEOUT",), "10,60"),
    "requests_per_second": (("IRONFORGE_REQUESTS_PER_SECOND",), 40),
    "requests_per_hour": (("IRONFORGE_REQUESTS_PER_HOUR",), 30_000),
    "raw_retention_days": (("IRONFORGE_RAW_RETENTION_DAYS",), 30),
    "spool_limit_mb": (("IRONFORGE_SPOOL_LIMIT_MB",), 4_096),
    "quarantine_limit_mb": (("IRONFORGE_QUARANTINE_LIMIT_MB",), 512),
    "archive_uri": (("IRONFORGE_ARCHIVE_URI",), None),
    "partitions_ahead": (("IRONFORGE_PARTITIONS_AHEAD",), 7),
    "pg_bindir": (("IRONFORGE_PG_BINDIR",), None),
    "pg_user": (("IRONFORGE_PG_USER",), None),
    "stats_retention_months": (("IRONFORGE_STATS_RETENTION_MONTHS",), 0),
    "log_retention_days": (("IRONFORGE_LOG_RETENTION_DAYS",), 400),
    "ping_url": (("IRONFORGE_PING_URL",), None),
    "api_keys_file": (("IRONFORGE_API_KEYS_FILE",), None),
    "api_origins": (("IRONFORGE_API_ORIGINS",), None),
    "api_requests_per_minute": (("IRONFORGE_API_REQUESTS_PER_MINUTE",), 600),
    "api_trusted_proxies": (("IRONFORGE_API_TRUSTED_PROXIES",), None),
    "log_level": (("IRONFORGE_LOG_LEVEL",), "info"),
    "log_format": (("IRONFORGE_LOG_FORMAT",), "text"),
}

URLS = Path(gettempdir()) / f"urls-of-{os.getpid()}"
"""Where files are that hold a URL: such a setting is read with the others."""

# For each setting two values as the environment writes them, the second as the file writes it, and what they become.
GIVEN: dict[str, tuple[str, str, Any, Any, Any]] = {
    "database_url": ("postgresql://a@h/x", '"postgres://b@h/y"', "postgresql://a@h/x", "postgres://b@h/y", str),
    "database_url_file": (f"{URLS / 'one'}", f'"{URLS / "two"}"', URLS / "one", URLS / "two", None),
    "read_url": ("postgresql://c@h/x", '"postgres://d@h/y"', "postgresql://c@h/x", "postgres://d@h/y", str),
    "home": ("/srv/one", '"/srv/two"', Path("/srv/one"), Path("/srv/two"), None),
    "client_id": ("one", '"two"', "one", "two", None),
    "client_secret": ("one", '"two"', "one", "two", str),
    "client_secret_file": ("/run/one", '"/run/two"', Path("/run/one"), Path("/run/two"), None),
    "api_url": ("http://h/{region}", '"https://{region}.h/"', "http://h/{region}", "https://{region}.h", None),
    "oauth_url": ("http://h/token", '"https://i/token"', "http://h/token", "https://i/token", None),
    "regions": ("us", '["us", "eu"]', (Region.US,), (Region.US, Region.EU), None),
    "locale": ("de_DE", '"ko_KR"', "de_DE", "ko_KR", None),
    "http_timeout": ("2.5, 30", "[3, 4.5]", HttpTimeout(2.5, 30), HttpTimeout(3, 4.5), None),
    "requests_per_second": ("5", "6", 5, 6, None),
    "requests_per_hour": ("500", "600", 500, 600, None),
    "raw_retention_days": ("0", "14", 0, 14, None),
    "spool_limit_mb": ("0", "9", 0, 9, None),
    "quarantine_limit_mb": ("0", "9", 0, 9, None),
    "archive_uri": ("s3://bucket/a", '"/srv/archive"', "s3://bucket/a", "/srv/archive", None),
    "partitions_ahead": ("3", "4", 3, 4, None),
    "pg_bindir": ("/usr/lib/a", '"/usr/lib/b"', Path("/usr/lib/a"), Path("/usr/lib/b"), None),
    "pg_user": ("postgres", '"nobody"', "postgres", "nobody", None),
    "stats_retention_months": ("13", "0", 13, 0, None),
    "log_retention_days": ("10", "20", 10, 20, None),
    "ping_url": ("https://hc/a", '"https://hc/b"', "https://hc/a", "https://hc/b", None),
    "api_keys_file": ("/etc/one", '"/etc/two"', Path("/etc/one"), Path("/etc/two"), None),
    "api_origins": ("https://a, https://b", '["https://c"]', ("https://a", "https://b"), ("https://c",), None),
    "api_requests_per_minute": ("0", "60", 0, 60, None),
    "api_trusted_proxies": ("10.0.0.2", '["10.0.0.0/8"]', ("10.0.0.2",), ("10.0.0.0/8",), None),
    "log_level": ("DEBUG", '"Error"', LogLevel.DEBUG, LogLevel.ERROR, None),
    "log_format": ("JSON", '"json"', "json", "json", None),
}


@pytest.fixture(scope="module", autouse=True)
def urls() -> Generator[None]:
    """Make the files that hold a URL."""
    URLS.mkdir(mode=0o700)
    try:
        for name in ("one", "two"):
            (URLS / name).write_text("postgresql://of-a-file/x")
            (URLS / name).chmod(0o600)
        yield
    finally:
        shutil.rmtree(URLS)


# Values that are wrong, and words of the remedy that has to be named.
WRONG: list[tuple[str, str, str]] = [
    ("database_url", "mysql://me:hidden@h/x", "postgresql://user:password@host:5432/database"),
    ("database_url", "somewhere", "postgresql://user:password@host:5432/database"),
    ("api_url", "eu.api.blizzard.com", "https://"),
    ("api_url", "https://", "names a host"),
    ("oauth_url", "ftp://oauth", "https://"),
    ("ping_url", "hc-ping.com/hidden", "https://"),
    ("regions", "eu,xx", "'eu'"),
    ("regions", ",", "such as eu,us"),
    ("locale", "english", "en_US"),
    ("http_timeout", "10", "10,60"),
    ("http_timeout", "10,soon", "10,60"),
    ("http_timeout", "0,60", "10,60"),
    ("http_timeout", "10,inf", "10,60"),
    ("http_timeout", "nan,60", "10,60"),
    ("requests_per_second", "0", "give 1 or more"),
    ("requests_per_second", "101", "give 100 at most"),
    ("requests_per_second", "many", "whole number"),
    ("requests_per_hour", "36001", "give 36000 at most"),
    ("raw_retention_days", "-1", "give 0 or more"),
    ("spool_limit_mb", "-1", "give 0 or more"),
    ("quarantine_limit_mb", "much", "whole number"),
    ("partitions_ahead", "367", "give 366 at most"),
    ("log_retention_days", "0", "give 1 or more"),
    ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
    ("log_format", "xml", "'text' or 'json'"),
]


WHOLE_NUMBERS = [name for name, (_, default) in TABLE.items() if isinstance(default, int)]


@pytest.fixture(autouse=True)
def no_file_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See that no test reads the config file of whoever runs it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))


def load(environment: dict[str, str] | None = None, **options: Any) -> LoadedSettings:
    return config.load(options=options, environment=environment or {})


def file_with(tmp_path: Path, text: str) -> dict[str, str]:
    """An environment that names a private config file with that text."""
    file = tmp_path / "given.toml"
    file.write_text(text)
    file.chmod(0o600)
    return {"IRONFORGE_CONFIG": str(file)}


def value_of(loaded: LoadedSettings, setting: str) -> Any:
    value = getattr(loaded.settings, setting)
    return value.get_secret_value() if GIVEN[setting][4] is str else value


def test_the_settings_are_those_of_the_interface_with_its_names() -> None:
    assert list(Settings.model_fields) == list(TABLE)
    assert {setting: config.variable_names(setting) for setting in TABLE} == {
        setting: names for setting, (names, _) in TABLE.items()
    }
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("setting", [setting for setting in TABLE if setting != "home"])
def test_a_default_is_that_of_the_interface(setting: str) -> None:
    loaded = load()
    assert config.shown(loaded.settings, setting) == TABLE[setting][1]
    assert loaded.sources[setting] == "default"


@pytest.mark.parametrize(("user", "home"), [(0, "/var/lib/ironforge"), (1000, "{data}/ironforge")])
def test_the_home_is_root_s_or_the_user_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, home: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load().settings.home == Path(home.format(data=tmp_path))


@pytest.mark.parametrize("setting", TABLE)
def test_a_variable_gives_a_value(setting: str) -> None:
    for name in TABLE[setting][0]:
        loaded = load({name: f" {GIVEN[setting][0]} "})
        assert value_of(loaded, setting) == GIVEN[setting][2]
        assert loaded.sources[setting] == name


@pytest.mark.parametrize("setting", TABLE)
def test_the_file_gives_a_value(setting: str, tmp_path: Path) -> None:
    environment = file_with(tmp_path, f"{setting} = {GIVEN[setting][1]}\n")
    loaded = load(environment)
    assert value_of(loaded, setting) == GIVEN[setting][3]
    assert loaded.sources[setting] == environment["IRONFORGE_CONFIG"]
    assert loaded.warnings == ()


@pytest.mark.parametrize("setting", TABLE)
def test_a_variable_is_stronger_than_the_file(setting: str, tmp_path: Path) -> None:
    environment = file_with(tmp_path, f"{setting} = {GIVEN[setting][1]}\n")
    loaded = load(environment | {TABLE[setting][0][0]: GIVEN[setting][0]})
    assert value_of(loaded, setting) == GIVEN[setting][2]
    assert loaded.sources[setting] == TABLE[setting][0][0]


@pytest.mark.parametrize("setting", TABLE)
def test_an_option_is_stronger_than_all_and_one_that_was_not_given_is_none(setting: str, tmp_path: Path) -> None:
    environment = file_with(tmp_path, f"{setting} = {GIVEN[setting][1]}\n")
    environment |= {TABLE[setting][0][0]: GIVEN[setting][0]}
    loaded = load({TABLE[setting][0][0]: WRONG[0][1]}, **{setting: GIVEN[setting][2]})
    assert value_of(loaded, setting) == GIVEN[setting][2]
    assert loaded.sources[setting] == f"--{setting.replace('_', '-')}"
    assert load(environment, **{setting: None}).sources[setting] == TABLE[setting][0][0]


@pytest.mark.parametrize("setting", TABLE)
def test_an_empty_variable_counts_as_not_set(setting: str, tmp_path: Path) -> None:
    empty = dict.fromkeys(TABLE[setting][0], "")
    assert load(empty).sources[setting] == "default"
    environment = file_with(tmp_path, f"{setting} = {GIVEN[setting][1]}\n")
    assert load(environment | empty).sources[setting] == environment["IRONFORGE_CONFIG"]


def test_the_tool_s_own_database_variable_beats_the_common_one() -> None:
    both = {"DATABASE_URL": "postgresql://common/x", "IRONFORGE_DATABASE_URL": "postgresql://own/x"}
    loaded = load(both)
    assert value_of(loaded, "database_url") == "postgresql://own/x"
    assert loaded.sources["database_url"] == "IRONFORGE_DATABASE_URL"
    only = load(both | {"IRONFORGE_DATABASE_URL": ""})
    assert only.sources["database_url"] == "DATABASE_URL"


def test_settings_can_not_be_changed() -> None:
    settings = load().settings
    with pytest.raises(Exception, match="frozen"):
        settings.locale = "de_DE"


# Wrong values


@pytest.mark.parametrize(("setting", "value", "remedy"), WRONG)
def test_a_wrong_value_is_an_error_that_names_its_variable_and_the_remedy(
    setting: str, value: str, remedy: str
) -> None:
    for name in TABLE[setting][0]:
        with pytest.raises(ConfigurationError) as wrong:
            load({name: value})
        message = str(wrong.value)
        assert name in message
        assert remedy in message
        assert "hidden" not in message
        assert (repr(value) in message) == (setting not in {"database_url", "ping_url"} and value != "eu,xx")


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("http_timeout = 10", "10,60"),
        ("http_timeout = [[1], 2]", "10,60"),
        ("regions = 5", "regions"),
        ("regions = [5]", "'eu'"),
        ("locale = 7", "text"),
        ("requests_per_second = 1.5", "whole number"),
        ("database_url = 5", "database_url"),
        ("client_secret = [1]", "client_secret"),
        ("home = 5", "home"),
        ("log_level = []", "log_level"),
    ],
)
def test_a_wrong_value_of_the_file_names_key_and_file(tmp_path: Path, line: str, remedy: str) -> None:
    environment = file_with(tmp_path, line)
    with pytest.raises(ConfigurationError) as wrong:
        load(environment)
    assert f"{line.partition(' ')[0]} in {environment['IRONFORGE_CONFIG']}" in str(wrong.value)
    assert remedy in str(wrong.value)


def test_every_wrong_value_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match="3 settings are wrong") as wrong:
        load({"IRONFORGE_LOCALE": "x", "IRONFORGE_HTTP_TIMEOUT": "x", "IRONFORGE_LOG_LEVEL": "x"})
    for name in ("IRONFORGE_LOCALE", "IRONFORGE_HTTP_TIMEOUT", "IRONFORGE_LOG_LEVEL"):
        assert name in str(wrong.value)


def test_a_password_of_a_wrong_address_is_not_quoted() -> None:
    with pytest.raises(ConfigurationError) as wrong:
        load({"IRONFORGE_API_URL": "ftp://me:hidden@proxy/{region}"})
    assert "hidden" not in str(wrong.value)


# The file


def test_without_a_named_file_that_of_the_user_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "xdg" / "ironforge"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('locale = "fr_FR"\n')
    loaded = load()
    assert (loaded.settings.locale, loaded.file) == ("fr_FR", folder / "config.toml")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    environment = file_with(tmp_path, '\ufefflocale = "fr_FR"\n')
    assert load(environment).settings.locale == "fr_FR"


def test_a_missing_file_is_an_error_only_where_it_was_named(tmp_path: Path) -> None:
    assert load().file is None
    with pytest.raises(ConfigurationError, match=r"IRONFORGE_CONFIG names .*, which is not there"):
        load({"IRONFORGE_CONFIG": str(tmp_path / "missing.toml")})


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"locale = ", "is not TOML"), (b"\xff\xfe", "is not text in UTF-8"), (None, "can't be read")],
)
def test_a_file_that_can_not_be_read_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "odd.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words) as wrong:
        load({"IRONFORGE_CONFIG": str(file)})
    assert str(file) in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("IRONFORGE_REGION", "did you mean IRONFORGE_REGIONS?"),
        ("IRONFORGE_DATABSE_URL", "did you mean IRONFORGE_DATABASE_URL?"),
        ("IRONFORGE_CLIENT_ID", "did you mean BLIZZARD_CLIENT_ID?"),
        ("IRONFORGE_XYZZY_QQQ", "does nothing."),
    ],
)
def test_an_unknown_variable_is_a_warning_with_a_suggestion(name: str, suggestion: str) -> None:
    (warning,) = load({name: "x"}).warnings
    assert name in warning
    assert suggestion in warning


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("region = 5", "'region'"),
        ("[database]\nurl = 5", "'database'"),
        ("requests_per_secnd = 5", "requests_per_second?"),
    ],
)
def test_an_unknown_key_is_a_warning_that_names_the_file(tmp_path: Path, line: str, words: str) -> None:
    environment = file_with(tmp_path, line)
    (warning,) = load(environment).warnings
    assert words in warning
    assert environment["IRONFORGE_CONFIG"] in warning


def test_known_and_foreign_variables_are_no_warning() -> None:
    known = {name: GIVEN[setting][0] for setting, (names, _) in TABLE.items() for name in names}
    assert load(known | {"PATH": "/bin", "BLIZZARD_ELSE": "x"}).warnings == ()


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
@pytest.mark.parametrize("line", ['client_secret = "x"', 'database_url = "postgresql://h/x"'])
def test_a_file_of_secrets_that_others_can_read_is_a_warning(
    tmp_path: Path, line: str, mode: int, *, warns: bool
) -> None:
    environment = file_with(tmp_path, line)
    Path(environment["IRONFORGE_CONFIG"]).chmod(mode)
    warnings = load(environment).warnings
    assert [f"chmod 600 {environment['IRONFORGE_CONFIG']}" in warning for warning in warnings] == [True] * warns


def test_a_file_without_secrets_may_be_read_by_all(tmp_path: Path) -> None:
    environment = file_with(tmp_path, 'locale = "de_DE"')
    Path(environment["IRONFORGE_CONFIG"]).chmod(0o644)
    assert load(environment).warnings == ()


# Credentials


def test_credentials_come_from_two_variables() -> None:
    loaded = load({"BLIZZARD_CLIENT_ID": "me", "BLIZZARD_CLIENT_SECRET": "hush"})
    assert loaded.settings.credentials() == ("me", "hush")


@pytest.mark.parametrize("content", ["hush", "hush\n", " hush \r\n"])
def test_the_secret_can_stand_in_a_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    loaded = load({"BLIZZARD_CLIENT_ID": "me", "BLIZZARD_CLIENT_SECRET_FILE": str(tmp_path / "secret")})
    assert loaded.settings.credentials() == ("me", "hush")


def test_the_secret_itself_beats_its_file_unless_only_the_config_file_holds_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file of secrets")
    named = {"BLIZZARD_CLIENT_ID": "me", "BLIZZARD_CLIENT_SECRET_FILE": str(tmp_path / "secret")}
    both = load(named | {"BLIZZARD_CLIENT_SECRET": "itself"})
    assert both.settings.credentials() == ("me", "itself")
    weaker = load(named | file_with(tmp_path, 'client_secret = "from the config file"'))
    assert weaker.settings.credentials() == ("me", "from the file of secrets")
    stronger = load(
        {"BLIZZARD_CLIENT_ID": "me", "BLIZZARD_CLIENT_SECRET": "itself"}
        | file_with(tmp_path, f'client_secret_file = "{tmp_path / "secret"}"')
    )
    assert stronger.settings.credentials() == ("me", "itself")


@pytest.mark.parametrize(
    ("given_ones", "missing"),
    [
        ({}, "BLIZZARD_CLIENT_ID and BLIZZARD_CLIENT_SECRET are not set"),
        ({"BLIZZARD_CLIENT_ID": "me"}, "BLIZZARD_CLIENT_SECRET is not set"),
        ({"BLIZZARD_CLIENT_SECRET": "hush"}, "BLIZZARD_CLIENT_ID is not set"),
    ],
)
def test_missing_credentials_are_named_with_the_way_to_get_them(given_ones: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        load(given_ones).settings.credentials()
    assert missing in str(wrong.value)
    assert "https://develop.battle.net/access/clients" in str(wrong.value)
    assert "ironforge demo" in str(wrong.value)
    assert "hush" not in str(wrong.value)


def test_every_setting_that_counts_is_tried_with_what_is_no_whole_number() -> None:
    counting = [name for name, field in Settings.model_fields.items() if field.annotation is int]
    assert sorted(counting) == sorted(WHOLE_NUMBERS)


@pytest.mark.parametrize("given", ["true", "false", "1.0", "7.5", '"1.0"', "nan", "1e1"])
@pytest.mark.parametrize("setting", WHOLE_NUMBERS)
def test_a_number_in_the_file_is_whole_or_refused(tmp_path: Path, setting: str, given: str) -> None:
    with pytest.raises(ConfigurationError, match="give a whole number, such as 7"):
        load(file_with(tmp_path, f"{setting} = {given}\n"))


@pytest.mark.parametrize("given", ["true", "1.0", "7.5", "1e1"])
@pytest.mark.parametrize("setting", WHOLE_NUMBERS)
def test_a_number_in_the_environment_is_whole_or_refused(setting: str, given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"whole number|valid integer"):
        load({f"IRONFORGE_{setting.upper()}": given})
