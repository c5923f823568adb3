"""The switchboard of a sandbox that runs as a program of its own, for whoever wants to tell it something."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from ironforge_cli.errors import UnavailableError, UsageError
from ironforge_cli.sandbox.control import CONTROL_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.regions import Region

_PATIENCE_SECONDS: Final = 600.0
"""Many hours of a large market take minutes."""
_BAD_REQUEST: Final = 400


class RemoteSandbox:
    """A sandbox at a URL, with or without the path of its switchboard.

    Every method raises `UnavailableError` where no sandbox answers, and `UsageError` for what it can't do.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f"{url!r} is no address of a sandbox: give one such as http://127.0.0.1:8642.")
        self._url = f"{parts.scheme}://{parts.netloc}"
        # A sandbox is near: a proxy for the way to Blizzard is none for the way to it.
        self._open = build_opener(ProxyHandler({})).open

    def state(self) -> dict[str, Any]:
        """Its time, what each region has published, and which faults are on, as docs/sandbox.md describes it."""
        return self._asked("GET", "state")

    def advance(self, region: Region | None, *, hours: int) -> dict[str, Any]:
        """Let a region, or every one, publish so many hours more; returns the state."""
        return self._asked("POST", "advance", posted={"hours": hours, "region": region})

    def set_fault(self, aim: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Switch a fault on, aimed by the fields of `faults.Aim`; returns the faults that are on."""
        return self._asked("POST", "faults", posted=aim)["active"]

    def clear_faults(self, name: str | None, *, region: Region | None) -> list[dict[str, Any]]:
        """Switch off every fault, or those of one name or one region; returns the faults that are still on."""
        query = {key: value for key, value in (("name", name), ("region", region)) if value is not None}
        return self._asked("DELETE", "faults", query=query)["active"]

    def _asked(
        self, method: str, path: str, *, posted: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        address = f"{self._url}{CONTROL_PATH}{path}" + (f"?{urlencode(query)}" if query else "")
        body = (
            None if posted is None else json.dumps({key: value for key, value in posted.items() if value is not None})
        )
        request = Request(address, data=None if body is None else body.encode(), method=method)  # noqa: S310 - the scheme is checked
        try:
            with self._open(request, timeout=_PATIENCE_SECONDS) as answer:
                return _document(answer.read(), self._url)
        except HTTPError as error:
            if error.code != _BAD_REQUEST:
                raise _no_sandbox(self._url, f"it answered {error.code}") from error
            raise UsageError(f"The sandbox can't do that: {_document(error.read(), self._url).get('error')}") from error
        except URLError as error:
            raise _no_sandbox(self._url, str(getattr(error.reason, "strerror", None) or error.reason)) from error
        except OSError as error:
            raise _no_sandbox(self._url, error.strerror or str(error)) from error


def _document(body: bytes, url: str) -> dict[str, Any]:
    try:
        read: object = json.loads(body)
    except ValueError as error:
        raise _no_sandbox(url, "its answer is not JSON") from error
    if not isinstance(read, dict):
        raise _no_sandbox(url, "its answer is no object")
    return cast("dict[str, Any]", read)


def _no_sandbox(url: str, reason: str) -> UnavailableError:
    return UnavailableError(
        f"No sandbox answers at {url} ({reason}). Start one with `ironforge sandbox serve`, or "
        "say with --url where it is."
    )
