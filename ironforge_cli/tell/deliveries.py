"""Sending messages: a webhook's JSON, Discord's and ntfy's forms, and whatever the library apprise knows.

No error leaves here that quotes an address: those of HTTP libraries do, so that only their kind is told.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import requests

from ironforge_cli.errors import ConfigurationError, UsageError
from ironforge_cli.tell.addresses import AddressKind
from ironforge_cli.wording import how_long

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from ironforge_cli.tell.addresses import DeliveryAddress
    from ironforge_cli.tell.alerts import Digest

TIMEOUT_SECONDS: Final = 10.0
"""How long one attempt may take, from the first byte to the answer."""
LONGEST_WAIT_SECONDS: Final = 30.0
"""How long a run waits, all in all, for addresses that ask to wait; what needs longer is left to the next run."""
LONGEST_HOLD: Final = timedelta(days=1)
"""Nobody is believed who asks to be left alone for longer."""
_STEP_SECONDS: Final = 0.5
"""How long a request to end may go unheard."""
_MOST_ATTEMPTS: Final = 4
_ASK_TO_WAIT: Final = frozenset({429, 503})
_REDIRECTS: Final = range(300, 400)
_WELL: Final = range(200, 300)
_MOST_LETTERS: Final = {
    AddressKind.DISCORD: 1_900,
    AddressKind.NTFY: 3_500,
    AddressKind.JSON: 60_000,
    AddressKind.APPRISE: 1_500,
}


class Waits(Protocol):
    """A clock, and waiting by it."""

    def now(self) -> datetime:
        """The time of day, aware UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; raises `InterruptedRunError` where the program is asked to end meanwhile."""
        ...

    def check(self) -> None:
        """Raise `InterruptedRunError` where the program has been asked to end."""
        ...


class UndeliveredError(Exception):
    """A message did not arrive, as far as is known; its text says why, and quotes nothing secret."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds that the address asks to be left alone."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]


@dataclass(slots=True)
class Sender:
    """Sends messages, and waits for whoever asks for it, within bounds that hold for a whole run."""

    clock: Waits
    timeout: float = TIMEOUT_SECONDS
    _patience: float = field(default=LONGEST_WAIT_SECONDS, init=False)

    def send(self, address: DeliveryAddress, digest: Digest) -> None:
        """Send one message. Raises `UndeliveredError`, and `InterruptedRunError` where the program is asked to end."""
        self.clock.check()
        if address.kind is AddressKind.APPRISE:
            self._bounded(lambda: _by_apprise(address, digest))
            return
        request = _request(address, digest)
        for number in range(1, _MOST_ATTEMPTS + 1):
            answer = self._bounded(lambda: _posted(address, request, seconds=self.timeout))
            wait = _wait_asked(answer, self.clock.now())
            if wait is None or number == _MOST_ATTEMPTS or wait > self._patience:
                _require_well(answer, wait)
                return
            self._patience -= wait
            self.clock.sleep(wait)

    def _bounded(self, work: Callable[[], Any]) -> Any:
        """Do something that talks to others, and wait for it no longer than the time-out: trickling is no answer."""
        found: list[Any] = []
        failed: list[UndeliveredError] = []

        def do() -> None:
            try:
                found.append(work())
            except UndeliveredError as error:
                failed.append(error)
            except Exception as error:  # noqa: BLE001 - whatever a library raises may quote the address
                failed.append(UndeliveredError(_reason(error)))

        thread = threading.Thread(target=do, name="delivery", daemon=True)
        thread.start()
        left = self.timeout
        while thread.is_alive() and left > 0:
            thread.join(min(left, _STEP_SECONDS))
            left -= _STEP_SECONDS
            if thread.is_alive():
                self.clock.check()
        if failed:
            raise failed[0]
        if not found:
            raise UndeliveredError(f"no answer within {self.timeout:g} s")
        return found[0]


def most_letters(address: DeliveryAddress) -> tuple[int, Callable[[str], int]]:
    """How long a message there may be, and how that is counted."""
    count = _bytes if address.kind is AddressKind.NTFY else len
    return _MOST_LETTERS[address.kind], count


def _bytes(text: str) -> int:
    return len(text.encode())


def require_possible(addresses: Iterable[DeliveryAddress]) -> None:
    """Raise where an address can't be sent to at all: `ConfigurationError` without its extra, `UsageError` if wrong."""
    asked = [address for address in addresses if address.kind is AddressKind.APPRISE]
    if not asked:
        return
    if find_spec("apprise") is None:
        raise ConfigurationError(
            f"{asked[0].masked} is sent to by the library apprise, which is not installed: "
            "pip install 'ironforge-cli[apprise]'."
        )
    for address in asked:
        with _silent():
            if not _apprise_of(address):
                raise UsageError(f"{address.masked} is no address of a kind that is known here, nor to apprise.")


def _request(address: DeliveryAddress, digest: Digest) -> tuple[bytes, dict[str, str]]:
    """The body and the headers that a kind of address takes."""
    headers = {"User-Agent": "ironforge", "Content-Type": "application/json"}
    match address.kind:
        case AddressKind.NTFY:
            plain = {"Content-Type": "text/plain; charset=utf-8", "Title": digest.title}
            return digest.text.encode(), headers | plain
        case AddressKind.DISCORD:
            # Whatever a name or a note holds, it calls nobody.
            content = {"content": f"**{digest.title}**\n{digest.text}", "allowed_mentions": {"parse": list[str]()}}
        case _:
            records = [alert.record() for alert in digest.alerts]
            content = {
                "title": digest.title,
                "text": digest.text,
                "alerts": [record for record in records if record["fired"]],
                "notices": [record for record in records if not record["fired"]],
            }
    return json.dumps(content, ensure_ascii=False).encode(), headers


def _posted(address: DeliveryAddress, request: tuple[bytes, dict[str, str]], *, seconds: float) -> _Answer:
    """Send one request and look at no more than the head of the answer."""
    body, headers = request
    # Whoever answers must not send the address and its secret on to somebody else.
    with requests.post(
        address.url, data=body, headers=headers, timeout=seconds, allow_redirects=False, stream=True
    ) as answer:
        return _Answer(answer.status_code, answer.headers)


def _wait_asked(answer: _Answer, now: datetime) -> float | None:
    """How many seconds the address asks to wait; None where it asks for nothing."""
    if answer.status not in _ASK_TO_WAIT:
        return None
    return seconds_to_wait(answer.headers.get("Retry-After"), now)


def seconds_to_wait(given: str | None, now: datetime) -> float | None:
    """What a Retry-After says, in seconds; None where it says nothing that can be understood.

    >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> seconds_to_wait("1.5", noon), seconds_to_wait("Wed, 14 Jan 2026 12:00:30 GMT", noon), seconds_to_wait("x", noon)
    (1.5, 30.0, None)
    """
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            until = parsedate_to_datetime(given)
        except ValueError:
            return None
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
        seconds = (until - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_HOLD.total_seconds()) if math.isfinite(seconds) else None


def _require_well(answer: _Answer, wait: float | None) -> None:
    if answer.status in _WELL:
        return
    if answer.status in _REDIRECTS:
        raise UndeliveredError(f"it redirects ({answer.status}), which is not followed: give where it leads")
    asks = "" if wait is None else f", and asks to wait {how_long(timedelta(seconds=wait))}"
    raise UndeliveredError(f"it answered {answer.status}{asks}", retry_after=wait)


def _reason(error: BaseException) -> str:
    """What went wrong, by kind alone: the texts of these errors hold the address."""
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not trusted, or it speaks no TLS"
        case requests.exceptions.ProxyError():
            return "the proxy did not let it through"
        case requests.exceptions.Timeout():
            return "no answer in time"
        case requests.exceptions.ConnectionError():
            return "it can't be reached"
        case _:
            return f"it could not be sent ({type(error).__name__})"


def _apprise_of(address: DeliveryAddress) -> Any:
    """The library's own object, with the address; None where it knows no such address."""
    import apprise  # noqa: PLC0415 - pyright: ignore[reportMissingImports] - an extra, which few need

    made = cast("Any", apprise).Apprise()
    return made if made.add(address.url) else None


def _by_apprise(address: DeliveryAddress, digest: Digest) -> bool:
    with _silent():
        made = _apprise_of(address)
        if made is None or not made.notify(title=digest.title, body=digest.text):
            raise UndeliveredError("apprise could not deliver it")
    return True


@contextmanager
def _silent() -> Generator[None]:
    """Keep what the library logs to itself: it quotes addresses."""
    logger = logging.getLogger("apprise")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
