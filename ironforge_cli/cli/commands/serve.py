"""`ironforge serve`: the answers over HTTP, and a page to look at."""

from __future__ import annotations

import ipaddress
import logging
from datetime import timedelta
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from ironforge_cli.cli.frame.asking import MaxAge
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.output import say
from ironforge_cli.errors import ConfigurationError, ExitStatus, InterruptedRunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)
PORT: Final = 8420
_MOST_THREADS: Final = 64
_THREADS: Final = 4

Host = Annotated[
    str, typer.Option("--host", metavar="HOST", help="Address to listen on; the default is this machine alone.")
]
Port = Annotated[
    int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes any free one.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="Its address as others see it, such as https://prices.example.org."),
]
RootPath = Annotated[
    str, typer.Option("--root-path", metavar="PATH", help="The path below which a proxy serves it, such as /ironforge.")
]
TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        metavar="ADDRESS",
        help="A proxy whose X-Forwarded-For is believed: an address or a network; repeat for more.",
    ),
]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--origin", metavar="ORIGIN", help="Pages of this origin may ask from a browser; repeat for more. * is all."
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        "--threads", metavar="N", min=1, max=_MOST_THREADS, help="Answers that are made at once; as many connections."
    ),
]


@command
def serve(
    run: Invocation,
    *,
    host: Host = "127.0.0.1",
    port: Port = PORT,
    base_url: BaseUrl = None,
    root_path: RootPath = "",
    trusted_proxy: TrustedProxies = None,
    origin: Origins = None,
    threads: Threads = _THREADS,
    max_age: MaxAge = "2h",  # type: ignore[assignment] - Typer parses it
) -> None:
    """Serve the answers over HTTP, read-only, and pages to look at, until Ctrl-C.

    Everything is documented at /docs of the service itself. With IRONFORGE_API_KEYS_FILE a key is needed, which
    `ironforge keys add` makes. Needs the extra web.

    Example: ironforge serve
    Example: ironforge serve --host 0.0.0.0 --base-url https://prices.example.org --trusted-proxy 10.0.0.2
    """
    settings = run.settings
    serve_database(
        run,
        lambda: run.lasting_database_to_read(),  # noqa: PLW0108 - it is begun when all options have been looked at
        regions=settings.regions,
        host=host,
        port=port,
        base_url=None if base_url is None else _base_url(base_url),
        root_path=_root_path(root_path),
        trusted_proxies=tuple(_network(one) for one in trusted_proxy or settings.api_trusted_proxies),
        origins=tuple(_origin(one) for one in origin or settings.api_origins),
        threads=threads,
        max_age=max_age,
        keys_file=settings.api_keys_file,
    )


def serve_database(
    run: Invocation,
    opened: Callable[[], Callable[[], Database]],
    *,
    regions: Sequence[Region],
    max_age: timedelta,
    host: str = "127.0.0.1",
    port: int = PORT,
    base_url: str | None = None,
    root_path: str = "",
    trusted_proxies: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
    threads: int = _THREADS,
    keys_file: Path | None = None,
    tell: Callable[[str], None] = say,
) -> None:
    """Serve what a database holds until a signal comes; `opened` opens it when nothing else can fail any more.

    Raises `ConfigurationError` without the extra, for a port that is taken and for a file of keys that can't be read.
    """
    server, service = require("server"), require("service")
    keys = None if keys_file is None else require("keys").Keys(keys_file)
    listener = server.listening(host, port)
    try:
        address, bound, *_ = listener.getsockname()
        if keys is None and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            log.warning(
                "The service listens on %s without keys: whoever reaches it may ask. IRONFORGE_API_KEYS_FILE names the"
                " file of keys that `ironforge keys add` makes.",
                address,
            )
        said = service.ServiceSettings(
            regions=tuple(regions),
            max_age=max_age,
            version=version("ironforge-cli"),
            base_url=base_url,
            root_path=root_path,
            origins=origins,
            requests_per_minute=run.settings.api_requests_per_minute,
            limits=service.ServiceLimits(threads=threads),
        )
        serving = service.Service(opened(), said, now=run.clock.now, monotonic=run.clock.monotonic, keys=keys)
        shown = f"[{address}]" if ":" in address else address
        server.serve(
            serving,
            listener,
            trusted_proxies=trusted_proxies,
            ending=run.stop.event,
            when_ready=lambda: tell(
                f"Serving on {base_url or f'http://{shown}:{bound}{root_path}'}/ (the API: /docs). Ctrl-C ends it."
            ),
        )
    finally:
        listener.close()
    try:
        run.stop.check()
    except InterruptedRunError as ended:
        # Ctrl-C is what it waits for, and no failure.
        if ended.status is not ExitStatus.INTERRUPTED:
            raise


def require(module: str) -> Any:
    """A module of the web. Raises `ConfigurationError` where its extra is not installed."""
    try:
        return import_module(f"ironforge_cli.web.{module}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("ironforge_cli"):
            raise
        raise ConfigurationError(
            f"The service needs FastAPI and uvicorn, which can't be loaded ({error}). Install them with ironforge: "
            "pip install 'ironforge-cli[web]'."
        ) from error


def _base_url(given: str) -> str:
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"--base-url {given!r} is no address such as https://prices.example.org.")
    return given.rstrip("/")


def _root_path(given: str) -> str:
    path = given.strip().rstrip("/")
    if path and (not path.startswith("/") or "//" in path or not path.isascii() or set(path) & set('?#%"<> ')):
        raise UsageError(f"--root-path {given!r} is no path such as /ironforge.")
    return path


def _network(given: str) -> str:
    try:
        return (
            str(ipaddress.ip_network(given.strip(), strict=False))
            if "/" in given
            else str(ipaddress.ip_address(given.strip()))
        )
    except ValueError:
        raise UsageError(
            f"--trusted-proxy {given!r} is no address or network such as 10.0.0.2 or 10.0.0.0/8."
        ) from None


def _origin(given: str) -> str:
    if given.strip() == "*":
        return "*"
    parts = urlsplit(given.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise UsageError(f"--origin {given!r} is no origin such as https://example.org.")
    return f"{parts.scheme}://{parts.netloc}"
