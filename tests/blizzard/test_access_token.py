"""The token that lets requests in: which is shown, when another is fetched, and what an endpoint's answer means."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from ironforge_cli.blizzard.access_token import AccessToken, Bearer
from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.blizzard.transient_faults import TransientFault
from ironforge_cli.errors import ConfigurationError, CredentialsError

URL = "https://me:hidden@oauth.example/token"
DEADLINE = Deadline(at=5.0, monotonic=lambda: 0.0)


class Endpoint:
    """A wire at whose end these answers stand, one after the other; how it was asked is noted."""

    def __init__(self, *answers: bytes | int | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[tuple[object, ...], dict[str, Any]]] = []

    def send(self, *where: object, **how: Any) -> Any:
        self.asked.append((where, how))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return SimpleNamespace(status_code=answer, content=b'{"access_token":"never"}')
        return SimpleNamespace(status_code=200, content=answer)


def token_of(*answers: bytes | int | Exception) -> tuple[AccessToken, Endpoint]:
    wire: Any = Endpoint(*answers)
    return AccessToken(wire, credentials=lambda: ("mé", "sécret"), oauth_url=URL), wire


def granted(name: str) -> bytes:
    return f'{{"access_token":"{name}"}}'.encode()


def test_a_token_is_fetched_when_it_is_needed_and_again_when_it_was_refused() -> None:
    token, wire = token_of(granted("first"), granted("second"))
    assert wire.asked == []
    assert token.get(refused=None, deadline=DEADLINE) == "first"
    assert token.get(refused=None, deadline=None) == "first"
    assert token.get(refused="another", deadline=None) == "first"
    assert token.get(refused="first", deadline=None) == "second"
    # Another thread's refusal of the one before is old news.
    assert token.get(refused="first", deadline=None) == "second"
    assert len(wire.asked) == 2
    (method, url), how = wire.asked[0]
    assert (method, url, how["deadline"], how["allow_redirects"]) == ("POST", URL, DEADLINE, False)
    assert how["data"] == {"grant_type": "client_credentials"}
    assert (how["auth"].username, how["auth"].password) == ("mé".encode(), "sécret".encode())


def test_a_token_that_was_refused_is_forgotten_though_no_other_came() -> None:
    token, wire = token_of(granted("first"), TransientFault("away"), granted("second"))
    token.get(refused=None, deadline=None)
    with pytest.raises(TransientFault, match="away"):
        token.get(refused="first", deadline=None)
    # Whoever asks next fetches one, though nothing was refused to it.
    assert token.get(refused=None, deadline=None) == "second"
    assert len(wire.asked) == 3


def test_who_finds_no_token_fetches_one_whatever_was_refused() -> None:
    token, _ = token_of(granted("first"))
    assert token.get(refused="one of before", deadline=None) == "first"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_credentials_that_are_refused_are_told(status: int) -> None:
    with pytest.raises(CredentialsError, match=rf"refused the API client \({status}\)"):
        token_of(status)[0].get(refused=None, deadline=None)


@pytest.mark.parametrize("status", [201, 204, 301, 402, 404])
def test_another_answer_is_a_setting_to_correct_told_without_its_password(status: int) -> None:
    with pytest.raises(ConfigurationError, match=f"answered {status} instead of a token") as wrong:
        token_of(status)[0].get(refused=None, deadline=None)
    assert not isinstance(wrong.value, CredentialsError)
    assert "hidden" not in str(wrong.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"access_token":7}',
        b'{"access_token":"\xff"}',
        b"[" * 100_000,
        granted(""),
        granted("two words"),
        granted("two\\nlines"),
        granted("t\u00f6ken"),
        granted("\\u007f"),
    ],
    ids=range(11),
)
def test_an_answer_without_a_token_that_can_be_sent_may_be_over_soon_and_is_never_quoted(body: bytes) -> None:
    with pytest.raises(TransientFault, match="the token endpoint answered") as fault:
        token_of(body)[0].get(refused=None, deadline=None)
    assert "word" not in str(fault.value)
    assert "lines" not in str(fault.value)


def test_a_token_is_put_into_the_header() -> None:
    request = requests.Request("GET", "https://x.example", auth=Bearer("first")).prepare()
    assert request.headers["Authorization"] == "Bearer first"
