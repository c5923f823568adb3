"""Files that settings name for secrets: the URL of the database, and who may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli import config
from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.config import LoadedSettings

NAME = "IRONFORGE_DATABASE_URL_FILE"
URL = "postgresql://me:s3cret@h/of-a-file"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "url"
    place.write_text(URL)
    place.chmod(0o600)
    return place


def load(**variables: str) -> LoadedSettings:
    return config.load(options={}, environment={"XDG_CONFIG_HOME": "/nowhere", **variables})


def url_of(loaded: LoadedSettings) -> str:
    url = loaded.settings.database_url
    assert url is not None
    return url.get_secret_value()


@pytest.mark.parametrize("content", ["{}", "{}\n", "\ufeff{}\r\n", "'{}'\n", '\n "{}" '])
def test_the_url_can_stand_in_a_file_and_is_shown_masked_with_its_source(file: Path, content: str) -> None:
    file.write_text(content.format(URL), encoding="utf-8")
    loaded = load(**{NAME: str(file)})
    assert url_of(loaded) == URL
    assert loaded.sources["database_url"] == f"{NAME}'s {file}"
    assert config.shown(loaded.settings, "database_url") == "postgresql://me:****@h/of-a-file"
    assert loaded.warnings == ()


def test_the_url_itself_counts_more_than_its_file_and_that_more_than_a_weaker_place(file: Path, tmp_path: Path) -> None:
    own = "postgresql://h/itself"
    assert url_of(load(**{NAME: str(file), "IRONFORGE_DATABASE_URL": own})) == own
    # That name is everybody's.
    assert url_of(load(**{NAME: str(file), "DATABASE_URL": own})) == URL
    toml = tmp_path / "config.toml"
    toml.write_text(f'database_url = "{own}"\n')
    toml.chmod(0o600)
    named = {"IRONFORGE_CONFIG": str(toml)}
    assert url_of(load(**{NAME: str(file)}, **named)) == URL
    toml.write_text(f'database_url_file = "{file}"\n')
    assert url_of(load(**named)) == URL
    assert url_of(load(DATABASE_URL=own, **named)) == own
    toml.write_text(f'database_url_file = "{file}"\ndatabase_url = "{own}"\n')
    assert url_of(load(**named)) == own


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"\xff\xfes", "not text in UTF-8"),
        (b"postgresql://s3cret@h/x\npostgresql://s3cret@h/y\n", "several lines"),
        (b"mysql://me:s3cret@h/x", "give a PostgreSQL URL"),
    ],
)
def test_a_file_that_holds_no_url_is_named_and_not_quoted(file: Path, content: bytes | None, told: str) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=told) as refused:
        load(**{NAME: str(file)})
    assert NAME in str(refused.value)
    assert str(file) in str(refused.value)
    assert "s3c" not in str(refused.value)


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
@pytest.mark.parametrize(
    ("name", "stronger"),
    [(NAME, ("IRONFORGE_DATABASE_URL", URL)), ("BLIZZARD_CLIENT_SECRET_FILE", ("BLIZZARD_CLIENT_SECRET", "x"))],
)
def test_a_secret_s_file_that_others_can_read_is_a_warning_while_it_is_used(
    file: Path, name: str, stronger: tuple[str, str], mode: int, *, warns: bool
) -> None:
    file.chmod(mode)
    assert [f"chmod 600 {file}" in warning for warning in load(**{name: str(file)}).warnings] == [True] * warns
    assert load(**{name: str(file)}, **dict([stronger])).warnings == ()


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "not text")]
)
def test_a_secret_file_that_is_of_no_use_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    loaded = load(BLIZZARD_CLIENT_ID="me", BLIZZARD_CLIENT_SECRET_FILE=str(file))
    with pytest.raises(ConfigurationError, match="BLIZZARD_CLIENT_SECRET_FILE") as wrong:
        loaded.settings.credentials()
    assert words in str(wrong.value)
    assert str(file) in str(wrong.value)
