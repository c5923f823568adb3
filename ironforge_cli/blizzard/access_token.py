"""The token that lets requests in: fetched from Blizzard's token endpoint when it is needed first."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Final

import msgspec
from requests.auth import AuthBase, HTTPBasicAuth

from ironforge_cli.blizzard.transient_faults import TransientFault, shown
from ironforge_cli.decoding import learn
from ironforge_cli.errors import ConfigurationError, CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.wire import Wire

_OK: Final = 200
_REFUSED: Final = {400, 401, 403}
_SENDABLE: Final = re.compile(r"[\x21-\x7e]+")


class Bearer(AuthBase):
    """A token in the header. As a header alone it would give way to an entry of ~/.netrc for the same host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Put it into a request."""
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


class AccessToken:
    """One token for all threads. `credentials` is called when one is needed first: what is cached needs none."""

    def __init__(self, wire: Wire, *, credentials: Callable[[], tuple[str, str]], oauth_url: str) -> None:
        self._wire = wire
        self._credentials = credentials
        self._oauth_url = oauth_url
        self._lock = threading.Lock()
        self._token: str | None = None

    def get(self, *, refused: str | None, deadline: Deadline | None) -> str:
        """The token; fetched once, and again when it is the one that was refused.

        Raises `CredentialsError`, `ConfigurationError` or `TransientFault`.
        """
        with self._lock:
            if self._token is None or self._token == refused:
                self._token = None
                self._token = self._fetched(deadline)
            return self._token

    def _fetched(self, deadline: Deadline | None) -> str:
        client_id, secret = self._credentials()
        response = self._wire.send(
            "POST",
            self._oauth_url,
            deadline=deadline,
            data={"grant_type": "client_credentials"},
            auth=HTTPBasicAuth(client_id.encode(), secret.encode()),
            allow_redirects=False,
        )
        status = response.status_code
        if status in _REFUSED:
            raise CredentialsError(
                f"Blizzard refused the API client ({status}). Check BLIZZARD_CLIENT_ID and "
                "BLIZZARD_CLIENT_SECRET at https://develop.battle.net/access/clients."
            )
        if status != _OK:
            raise ConfigurationError(
                f"{shown(self._oauth_url)} answered {status} instead of a token. Check IRONFORGE_OAUTH_URL."
            )
        # The body can hold a token: it is never quoted.
        try:
            token = msgspec.json.decode(response.content, type=_Granted).access_token
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise TransientFault("the token endpoint answered without a token") from None
        if not _SENDABLE.fullmatch(token):
            raise TransientFault("the token endpoint answered a token that no header can hold")
        return token


class _Granted(msgspec.Struct):
    access_token: str


learn(_Granted)
