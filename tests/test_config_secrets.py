"""What people see of settings: no secret, whatever its characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli import config
from ironforge_cli.config import SETTINGS

PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=8).filter(
    lambda text: "*" not in text
)


@settings(deadline=None)
@given(password=PASSWORDS)
def test_a_password_in_a_url_is_masked_whatever_its_characters(password: str) -> None:
    shown = config.masked(f"postgresql://me:{password}@db.example:6432/prices")
    assert shown == "postgresql://me:****@db.example:6432/prices"


@settings(deadline=None)
@given(password=PASSWORDS)
def test_a_password_in_a_connection_string_is_masked_whatever_its_characters(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    bare = quoted.replace(" ", "\\ ")
    for written in (f"'{quoted}'", f"' {quoted}'", bare):
        shown = config.masked(f"host=db.example password={written} dbname=prices")
        assert shown == "host=db.example password=**** dbname=prices"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://db.example/prices", "postgresql://db.example/prices"),
        ("postgresql://me@db.example:5432/prices", "postgresql://me@db.example:5432/prices"),
        (
            "postgresql:///prices?host=/run/x&password=hidden&user=me",
            "postgresql:///prices?host=/run/x&password=****&user=me",
        ),
        ("postgresql://h/p?sslpassword=hidden", "postgresql://h/p?sslpassword=****"),
        ("postgresql://me:hid:den@[::1]:5432/prices", "postgresql://me:****@[::1]:5432/prices"),
        ("host=h PASSWORD = 'hid den' dbname=p", "host=h PASSWORD = **** dbname=p"),
        ("host=h password='hidden and never closed", "host=h password=****"),
        ("password=hidden", "password=****"),
        ("s3://key:hidden@bucket/a", "s3://key:****@bucket/a"),
        ("/srv/archive", "/srv/archive"),
        ("", ""),
    ],
)
def test_what_is_secret_in_an_address_is_masked_and_the_rest_is_shown(url: str, shown: str) -> None:
    assert config.masked(url) == shown


def test_no_shown_value_holds_a_secret() -> None:
    loaded = config.load(
        options={},
        environment={
            "IRONFORGE_DATABASE_URL": "postgresql://me:hid@den@h/x",
            "BLIZZARD_CLIENT_ID": "me",
            "BLIZZARD_CLIENT_SECRET": "hidden",
            "IRONFORGE_API_URL": "https://me:hidden@proxy/{region}",
            "IRONFORGE_ARCHIVE_URI": "s3://key:hidden@bucket/a",
            "IRONFORGE_PING_URL": "https://me:hidden@hc.example:8000/ping/hidden-uuid?key=hidden",
            "XDG_CONFIG_HOME": "/nowhere",
        },
    )
    shown = {setting: config.shown(loaded.settings, setting) for setting in SETTINGS}
    assert [shown["client_secret"]] == ["****"]
    assert shown["database_url"] == "postgresql://me:****@h/x"
    assert shown["ping_url"] == "https://hc.example:8000/****"
    assert "hid" not in repr(shown)
    assert "hid" not in repr(loaded.settings.database_url)
    assert "hidden" not in repr(loaded.settings.client_secret)
