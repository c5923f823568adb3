"""Telling a health check that a cron command begins, and how it ended: pings in the form of healthchecks.io.

A ping never disturbs the work. The first is sent beside it, the last is waited for no longer than
`PATIENCE_SECONDS`, and one that fails is a warning. An address is as good as a password to whoever knows it, so that
messages name its host alone.
"""

from __future__ import annotations

import base64
import logging
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ironforge_cli.errors import ExitStatus, IronforgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ironforge_cli.cli.frame.wiring import Invocation

log = logging.getLogger(__name__)

PINGED: Final = frozenset(
    {
        "collect",
        "poll",
        "seed recipes",
        "seed reagents",
        "seed items",
        "seed all",
        "partitions maintain",
        "stats recompute",
        "status",
        "watch",
    }
)
"""The commands that cron runs; `status` only with `--check`."""
COMMAND_MARK: Final = "{command}"
PATIENCE_SECONDS: Final = 5.0
"""How long the end of a command waits for its pings, all in all."""
START_SECONDS: Final = 2.0
"""How much of that the first ping may still take, since what follows it must not overtake it."""

_POST_IS_REFUSED: Final = {404, 405, 501}
_REDIRECTS: Final = range(300, 400)
_IN_PATH: Final = "/%:@!$&'()*+,;=~"


class PingAddress(NamedTuple):
    """Where to ping, taken apart."""

    scheme: str
    host: str
    """With its port, and without the user."""
    path: str
    query: str
    authorization: str | None
    """What shows the user and password that the URL held."""

    @classmethod
    def of(cls, url: str, *, command: str) -> PingAddress:
        """The address of a command's check.

        >>> PingAddress.of("https://hc.example/key/{command}?create=1", command="seed all").path
        '/key/seed-all'
        """
        parts = urlsplit(url.replace(COMMAND_MARK, command.replace(" ", "-")))
        user, at, host = parts.netloc.rpartition("@")
        name, _, password = user.partition(":")
        shown = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        return cls(parts.scheme, host, parts.path.rstrip("/"), parts.query, f"Basic {shown}" if at else None)

    def to(self, ending: str) -> str:
        """The URL that stands for an event: its word ends the path, the query stays.

        >>> PingAddress.of("https://me:secret@hc.example/ping/uuid?rid=7", command="poll").to("/start")
        'https://hc.example/ping/uuid/start?rid=7'
        """
        path, query = quote(self.path + ending, safe=_IN_PATH), quote(self.query, safe=f"{_IN_PATH}?")
        return urlunsplit((self.scheme, self.host, path, query, ""))


class HealthCheck:
    """One run of one command, as its health check sees it."""

    def __init__(self, address: PingAddress) -> None:
        self._address = address
        self._beginning = threading.Thread(target=self._sent, args=("/start",), daemon=True)
        self._has_begun = False
        self._one_at_a_time = threading.Lock()
        self._problem: str | None = None

    def begin(self) -> None:
        """Tell it that the command begins, beside the command; once, however often it is called."""
        with self._one_at_a_time:
            if not self._has_begun:
                self._has_begun = True
                self._beginning.start()

    def end(self, status: ExitStatus, *, said: str, tells_begin: bool = True) -> None:
        """Tell it how the command ended; of a failure, what the command said last.

        Another run at work (75) is neither good nor bad: nothing is told. That run says how it ended; if it never
        does, the check misses a success and raises its alarm. A call that can't work (2) was no run at all.
        """
        if status in {ExitStatus.LOCKED, ExitStatus.USAGE}:
            return
        if tells_begin:
            self.begin()
        ending = threading.Thread(target=self._tell_end, args=(status, said), daemon=True)
        ending.start()
        ending.join(PATIENCE_SECONDS)
        problem = "no answer in time" if ending.is_alive() else self._problem
        if problem is not None:
            log.warning("The health check at %s could not be told: %s.", self._address.host, problem)

    def _tell_end(self, status: ExitStatus, said: str) -> None:
        if self._has_begun:
            self._beginning.join(START_SECONDS)
        if status in {ExitStatus.DONE, ExitStatus.NOTHING_FIRED}:
            self._problem = self._sent("")
        else:
            self._problem = self._sent("/fail", said=f"{said}\nexit code {int(status)}: {status.meaning}\n".lstrip())

    def _sent(self, ending: str, *, said: str | None = None) -> str | None:
        """Send one ping; returns what went wrong, without the address, which errors may quote."""
        try:
            return _answered(self._address, ending, said=said)
        except OSError as error:
            reason = getattr(error, "reason", error)
            return getattr(reason, "strerror", None) or type(reason).__name__
        except Exception as error:  # noqa: BLE001 - whatever it is, the work must not suffer from it
            return type(error).__name__


def health_check(invocation: Invocation, options: Mapping[str, Any]) -> HealthCheck | None:
    """The health check to tell of a command; None where none is set, or where the call isn't one for cron."""
    if not is_run_by_cron(invocation.command, options):
        return None
    try:
        url = invocation.settings.ping_url
        return None if url is None else HealthCheck(PingAddress.of(url, command=invocation.command))
    except (IronforgeError, ValueError):
        # The command itself is about to say what is wrong with the settings; the check misses a success.
        return None


def is_run_by_cron(command: str, options: Mapping[str, Any]) -> bool:
    """Whether a call does what a health check watches: a dry run, or a file that a person stores, is none.

    >>> is_run_by_cron("status", {"check": True}), is_run_by_cron("status", {"check": False})
    (True, False)
    """
    if command == "status":
        return bool(options.get("check"))
    return command in PINGED and not options.get("dry_run") and options.get("from_") is None


def _answered(address: PingAddress, ending: str, *, said: str | None) -> str | None:
    """Send one ping; returns what was wrong with the answer. Raises what urllib raises."""
    from urllib.error import HTTPError  # noqa: PLC0415 - only who has a health check waits for an HTTP client
    from urllib.request import HTTPRedirectHandler, Request, build_opener  # noqa: PLC0415 - the same

    class NoRedirects(HTTPRedirectHandler):
        """Whoever answers must not send the address and its password on to somebody else."""

        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    opened: Callable[..., Any] = build_opener(NoRedirects).open
    headers = {"User-Agent": "ironforge"} | (
        {"Authorization": address.authorization} if address.authorization is not None else {}
    )
    posted = {"Content-Type": "text/plain; charset=utf-8"} if said is not None else {}
    request = Request(  # noqa: S310 - the setting takes http and https alone
        address.to(ending), data=None if said is None else said.encode(), headers=headers | posted
    )
    try:
        with opened(request, timeout=PATIENCE_SECONDS):
            return None
    except HTTPError as error:
        error.close()
        if said is not None and error.code in _POST_IS_REFUSED:
            return _answered(address, ending, said=None)
        if error.code in _REDIRECTS:
            return f"it redirects ({error.code}), which is not followed; set IRONFORGE_PING_URL to where it leads"
        return f"it answered {error.code}"
