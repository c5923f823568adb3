"""Who may ask, and how often: the token endpoint and the limits of a client."""

from __future__ import annotations

import base64
import binascii
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.sandbox.wire import to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOKEN_SECONDS = 86_399
COMMODITIES_POINTS = 25
"""What a commodities answer costs of the hour's quota (BLIZZARD_API.md, section 3)."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TOKEN_LENGTH = 34
_HOUR = 3_600


class Tokens:
    """Gives out bearer tokens and knows them again; `monotonic` seconds measure their lives."""

    def __init__(
        self, *, client_id: str, client_secret: str, seed: int, seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._client_id = client_id
        self._credentials = f"{client_id}:{client_secret}".encode()
        self._rng = np.random.default_rng([seed, 4])
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._ends_at: dict[str, float] = {}

    def grant(self, *, authorization: str | None, form: Mapping[str, str]) -> tuple[int, bytes]:
        """Answer one request for a token with a status and a body."""
        if not self._known(authorization):
            return 401, to_bytes({"error": "invalid_client", "error_description": "Bad client credentials"})
        grant_type = form.get("grant_type")
        if grant_type is None:
            return 400, to_bytes({"error": "invalid_request", "error_description": "Missing grant type"})
        if grant_type != "client_credentials":
            description = f"Unsupported grant type: {grant_type}"
            return 400, to_bytes({"error": "unsupported_grant_type", "error_description": description})
        with self._lock:
            letters = self._rng.integers(0, len(_ALPHABET), _TOKEN_LENGTH - 2)
            token = "US" + "".join(_ALPHABET[letter] for letter in letters)
            self._ends_at[token] = self._monotonic() + self._seconds
        return 200, to_bytes(
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": round(self._seconds),
                "sub": self._client_id,
            }
        )

    def accepts(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header carries a token that still lives."""
        scheme, _, token = (authorization or "").partition(" ")
        with self._lock:
            ends_at = self._ends_at.get(token.strip())
            return scheme.lower() == "bearer" and ends_at is not None and self._monotonic() < ends_at

    def expire_all(self) -> None:
        """End every token's life now."""
        with self._lock:
            self._ends_at.clear()

    def _known(self, authorization: str | None) -> bool:
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except binascii.Error:
            return False
        return scheme.lower() == "basic" and given == self._credentials


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may ask for, over all regions; None for no limit."""

    per_second: int | None = 100
    per_hour: int | None = 36_000
    retry_after: bool = True
    """Whether a 429 says when to come again; the real one may or may not."""


class Quota:
    """Counts what the client asked for, in whole seconds and whole hours of `monotonic`."""

    def __init__(self, limits: Limits, *, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._second, self._in_second = -1, 0
        self._hour, self._in_hour = -1, 0

    def take(self, *, points: int) -> int | None:
        """Count one request of so many points; returns the seconds to wait where it is one too many."""
        now = int(self._monotonic())
        with self._lock:
            if now != self._second:
                self._second, self._in_second = now, 0
            if now // _HOUR != self._hour:
                self._hour, self._in_hour = now // _HOUR, 0
            self._in_second += 1
            self._in_hour += points
            if self._limits.per_hour is not None and self._in_hour > self._limits.per_hour:
                return _HOUR - now % _HOUR
            if self._limits.per_second is not None and self._in_second > self._limits.per_second:
                return 1
            return None

    @property
    def says_when(self) -> bool:
        """Whether a refusal carries `Retry-After`."""
        return self._limits.retry_after
