from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ironforge_cli import config, given
from ironforge_cli.archive.store import store_at
from ironforge_cli.errors import ConfigurationError

PATHS = ("IRONFORGE_HOME", "IRONFORGE_ARCHIVE_URI", "BLIZZARD_CLIENT_SECRET_FILE", "IRONFORGE_PG_BINDIR")
SECRET = {"BLIZZARD_CLIENT_ID": "me"}


def settings(**environment: str) -> config.Settings:
    return config.load(options={}, environment=environment).settings


@pytest.mark.parametrize("around", ["{}", " {} ", "'{}'", '"{}"', "{}\r", "\ufeff{}", '\ufeff "{}"\r\n'])
def test_what_containers_and_editors_leave_around_a_value_is_taken_off(around: str, tmp_path: Path) -> None:
    found = settings(
        IRONFORGE_HOME=around.format(tmp_path),
        BLIZZARD_CLIENT_ID=around.format("me"),
        BLIZZARD_CLIENT_SECRET=around.format("s3cret"),
        IRONFORGE_DATABASE_URL=around.format("postgresql://a@h/x"),
        IRONFORGE_REGIONS=around.format("us"),
        IRONFORGE_RAW_RETENTION_DAYS=around.format("14"),
    )
    assert (found.home, found.credentials()) == (tmp_path, ("me", "s3cret"))
    assert found.database_url is not None
    assert found.database_url.get_secret_value() == "postgresql://a@h/x"
    assert (list(found.regions), found.raw_retention_days) == (["us"], 14)


@pytest.mark.parametrize("value", ["'", '"', "''", "'a'b'", "'a\"", "a'"])
def test_quotes_that_are_no_pair_stay(value: str) -> None:
    assert given.cleaned(value) == ("" if value == "''" else value)


@pytest.mark.parametrize("variable", [*PATHS, "IRONFORGE_CONFIG"])
@pytest.mark.parametrize("value", ["here", "./here", "../x/here", "file:here"])
def test_a_path_that_depends_on_the_working_folder_is_refused_with_the_whole_one(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=rf"{variable} .*such as {tmp_path}/.*here"):
        settings(**{variable: value})


def test_a_path_is_told_where_the_working_folder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigurationError, match="give the whole path: a relative"):
        settings(IRONFORGE_HOME="here")
    assert settings(IRONFORGE_HOME="/srv/a/../b/").home == Path("/srv/b")


@pytest.mark.parametrize("key", ["home", "archive_uri", "client_secret_file", "pg_bindir"])
@pytest.mark.parametrize("value", ["here", "a\\u0000b", "~nobody-of-that-name/x"])
def test_a_path_of_the_config_file_is_whole_too(key: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'{key} = "{value}"\n')
    with pytest.raises(ConfigurationError, match=f"{key} in .*whole path|NUL"):
        settings(IRONFORGE_CONFIG=str(tmp_path / "c.toml"))


def test_a_folder_of_a_user_is_found_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings(IRONFORGE_HOME="~/data").home == tmp_path / "data"
    assert settings(IRONFORGE_ARCHIVE_URI="~/archive").archive_uri == "~/archive"
    with pytest.raises(ConfigurationError, match="stands for no folder"):
        store_at("~nobody-of-that-name/x", environment={})


# Files


def write(folder: Path, content: bytes) -> dict[str, str]:
    (folder / "secret").write_bytes(content)
    return SECRET | {"BLIZZARD_CLIENT_SECRET_FILE": str(folder / "secret")}


@pytest.mark.parametrize(
    "content",
    [
        b"s3cret",
        b"s3cret\n",
        b"s3cret\r\n",
        b"\xef\xbb\xbfs3cret\r\n",
        b"\n  s3cret\t\n\n",
        b"'s3cret'\n",
        b'\xef\xbb\xbf"s3cret"',
    ],
)
def test_a_secret_s_file_is_read_as_it_was_meant(content: bytes, tmp_path: Path) -> None:
    assert settings(**write(tmp_path, content)).credentials() == ("me", "s3cret")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b"''", "is empty"),
        (b"\xff\xfes\0", "not text in UTF-8"),
        (b"s3c\0ret", "several lines, or signs"),
        (b"s3cret\nother\n", "several lines, or signs"),
        ("s3cr€t".encode(), "several lines, or signs"),
        (b"s" * 5_000, "more than 4,096 bytes"),
    ],
)
def test_a_secret_s_file_that_holds_no_secret_is_named_and_not_quoted(
    content: bytes, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=told) as refused:
        settings(**write(tmp_path, content)).credentials()
    assert "BLIZZARD_CLIENT_SECRET_FILE" in str(refused.value)
    assert "s3c" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("folder", "it is a folder"),
        ("pipe", "nothing came"),
        ("device", "it is no file"),
        ("circle", "symbolic links"),
        ("missing", "No such file"),
    ],
)
def test_what_is_no_file_is_no_secret_and_keeps_nobody_waiting(
    kind: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "_PIPE_SECONDS", 0.0)
    place = tmp_path / "secret"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind != "missing":
        place.symlink_to({"device": "/dev/zero", "circle": place}[kind])
    named = settings(**SECRET, BLIZZARD_CLIENT_SECRET_FILE=str(place))
    with pytest.raises(ConfigurationError, match=told):
        named.credentials()


def test_a_pipe_of_a_shell_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as stream:
            stream.write(b"s3cret\n")
        named = settings(**SECRET, BLIZZARD_CLIENT_SECRET_FILE=f"/dev/fd/{reading}")
        assert named.credentials() == ("me", "s3cret")
    finally:
        os.close(reading)


def test_a_pipe_into_which_nobody_writes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "_PIPE_SECONDS", 0.0)
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match="nothing came"):
            given.content_of(Path(f"/dev/fd/{reading}"), at_most=10)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("value", ["s3cr€t", "s3c\nret", "s3\x07"])
def test_credentials_that_http_can_not_carry_are_told_without_quoting_them(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^BLIZZARD_CLIENT_SECRET holds") as refused:
        settings(**SECRET, BLIZZARD_CLIENT_SECRET=value).credentials()
    assert value not in str(refused.value)


@pytest.mark.parametrize("content", ["\ufefflocale = 'de_DE'\r\n".encode(), b"locale = 'de_DE'"])
def test_a_config_file_of_another_system_s_editor_is_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    assert settings(IRONFORGE_CONFIG=f"'{tmp_path}/c.toml'").locale == "de_DE"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfel\0", "not text in UTF-8"),
        (b"\x7fELF\0", "not TOML"),
        (b"#" * 1_000_001, "more than 1,000,000 bytes"),
    ],
)
def test_a_config_file_that_is_none_is_told(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        settings(IRONFORGE_CONFIG=str(tmp_path / "c.toml"))


# Certificates


def certificates(folder: Path) -> Path:
    import certifi  # noqa: PLC0415 - comes with requests

    place = folder / "all.pem"
    place.write_bytes(Path(certifi.where()).read_bytes())
    return place


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("odd", ["missing", "empty", "binary", "quoted", "blank"])
def test_a_variable_that_names_no_certificates_is_told_by_its_name(variable: str, odd: str, tmp_path: Path) -> None:
    place = tmp_path / "certificates.pem"
    if odd in {"empty", "binary"}:
        place.write_bytes(b"" if odd == "empty" else bytes(range(256)))
    named = {"quoted": f'"{certificates(tmp_path)}"', "blank": " "}.get(odd, str(place))
    with pytest.raises(ConfigurationError, match=f"^{variable} names .* no certificates"):
        given.require_certificates({variable: named})


def test_certificates_that_are_there_are_taken(tmp_path: Path) -> None:
    place = str(certificates(tmp_path))
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        given.require_certificates({variable: place})
        given.require_certificates({variable: ""})
    given.require_certificates({"REQUESTS_CA_BUNDLE": str(tmp_path)})
    # Requests looks at the second only where there is no first.
    given.require_certificates({"REQUESTS_CA_BUNDLE": place, "CURL_CA_BUNDLE": "/nowhere"})


# Accounts


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody without a name")
def test_an_account_without_home_and_name_works_where_both_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    os.chown(tmp_path / "home", 54_321, 54_321)
    program = (
        "import os, sys; os.environ.clear(); os.setgid(54321); os.setuid(54321)\n"
        "from ironforge_cli import config\n"
        "from ironforge_cli.errors import ConfigurationError\n"
        f"named = {{'IRONFORGE_HOME': {str(tmp_path / 'home')!r}, 'IRONFORGE_DATABASE_URL': 'postgresql://a@h/x'}}\n"
        "print(config.load(options={}, environment=named).settings.home)\n"
        "try: config.load(options={}, environment={})\n"
        "except ConfigurationError as error: print(error)\n"
    )
    # What is imported may lie where that account can't read, so that it is imported first.
    program = "import ironforge_cli.config, platformdirs.unix\n" + program
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    home, told = found.stdout.splitlines()
    assert home == str(tmp_path / "home")
    assert told.startswith("This account has no home folder")
    assert "Set IRONFORGE_HOME" in told


@pytest.mark.parametrize("found", [Path("~/.local/share/ironforge"), None])
def test_an_account_whose_home_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch, found: Path | None) -> None:
    def folder(*_: object, **__: object) -> Path:
        if found is None:
            raise RuntimeError("no home")
        return found

    # Versions of the library differ in what they do then.
    monkeypatch.setattr(config, "user_data_path", folder)
    monkeypatch.setattr("os.geteuid", lambda: 1_000)
    with pytest.raises(ConfigurationError, match="no home folder"):
        settings()
